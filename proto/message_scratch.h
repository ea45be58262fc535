#pragma once

#include <capnp/common.h>
#include <kj/array.h>

#include <cstddef>
#include <cstring>

namespace syncline {

// Room for a message: nearly all entries are small, and share one buffer of
// their thread. The builder leaves it zeroed, as it must find it.
class MessageScratch {
 public:
  explicit MessageScratch(std::size_t words) : words_(words) {
    if (words <= kSharedWords) return;
    own_ = kj::heapArray<capnp::word>(words);
    std::memset(own_.begin(), 0, own_.asBytes().size());
  }
  kj::ArrayPtr<capnp::word> words() const {
    if (words_ > kSharedWords) return kj::ArrayPtr<capnp::word>(own_);
    return {shared_, words_};
  }

 private:
  static constexpr std::size_t kSharedWords = 512;
  static inline thread_local capnp::word shared_[kSharedWords];

  const std::size_t words_;
  mutable kj::Array<capnp::word> own_;
};

}  // namespace syncline
