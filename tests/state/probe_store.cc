#include "tests/state/probe_store.h"

#include <utility>

#include "base/status.h"

namespace syncline::testing {
namespace {

absl::Status Fault() { return Internal("a read that was told to fail"); }

}  // namespace

class ProbeStore::Iterator final : public StoreIterator {
 public:
  Iterator(std::unique_ptr<StoreIterator> inner, Reads& reads, bool fails)
      : inner_(std::move(inner)), reads_(reads), fails_(fails) {}

  void SeekToFirst() override {
    inner_->SeekToFirst();
    Count();
  }
  void SeekToLast() override {
    inner_->SeekToLast();
    Count();
  }
  void Seek(std::string_view key) override {
    inner_->Seek(key);
    Count();
  }
  void SeekForPrev(std::string_view key) override {
    inner_->SeekForPrev(key);
    Count();
  }
  void Next() override {
    inner_->Next();
    Count();
  }
  void Prev() override {
    inner_->Prev();
    Count();
  }
  [[nodiscard]] bool Valid() const override {
    return !fails_ && inner_->Valid();
  }
  [[nodiscard]] std::string_view key() const override { return inner_->key(); }
  [[nodiscard]] std::string_view value() const override {
    return inner_->value();
  }
  [[nodiscard]] absl::Status status() const override {
    return fails_ ? Fault() : inner_->status();
  }

 private:
  void Count() {
    if (Valid()) ++reads_.rows;
  }

  std::unique_ptr<StoreIterator> inner_;
  Reads& reads_;
  bool fails_;
};

bool ProbeStore::FailsNow() const {
  if (fail_in_ == 0 || --fail_in_ > 0) return false;
  failed_ = true;
  return true;
}

absl::StatusOr<std::string> ProbeStore::Get(
    Column column, std::string_view key, const StoreSnapshot* snapshot) const {
  ++reads_.gets;
  if (FailsNow()) return Fault();
  return store_.Get(column, key, snapshot);
}

std::unique_ptr<StoreIterator> ProbeStore::NewIterator(
    Column column, const IterateOptions& options) const {
  ++reads_.iterators;
  return std::make_unique<Iterator>(store_.NewIterator(column, options), reads_,
                                    FailsNow());
}

}  // namespace syncline::testing
