#include "replication/state/state_piece.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/bytes.h"
#include "base/status.h"
#include "replication/state/limits.h"
#include "replication/state/row_keys.h"

namespace syncline {
namespace {

constexpr std::uint8_t kPieceFormat = 1;

using Field = RegisterId::Field;
using Chains = std::map<Hash, Chain>;

// ---- writing

// Heads without what is local about them.
StoredHeads WithoutArrivals(const StoredHeads& heads) {
  StoredHeads out;
  for (const StoredHead& head : heads) {
    StoredHead copy = head;
    copy.arrival = 0;
    out.Append(std::move(copy));
  }
  return out;
}

ItemHeads WithoutArrivals(const ItemHeads& heads) {
  ItemHeads out;
  out.places = WithoutArrivals(heads.places);
  out.contents = WithoutArrivals(heads.contents);
  for (const auto& [key, values] : heads.attrs) {
    out.attrs[key] = WithoutArrivals(values);
  }
  return out;
}

class PieceWriter {
 public:
  PieceWriter(const Store& store, const StoreSnapshot* snapshot)
      : store_(store), snapshot_(snapshot) {}

  absl::Status Add(std::string_view key, std::string_view value) {
    if (key.starts_with(kItemTag)) {
      const auto heads = DecodeItemHeads(value);
      if (!heads)
        return DataLoss("causal state: malformed row heads of an item");
      SYNCLINE_RETURN_IF_ERROR(AddChains(heads->places));
      SYNCLINE_RETURN_IF_ERROR(AddChains(heads->contents));
      AddRow(key, EncodeItemHeads(WithoutArrivals(*heads)));
      return absl::OkStatus();
    }
    const auto heads = DecodeDocHeads(value);
    if (!heads) {
      return DataLoss("causal state: malformed row heads of a document");
    }
    AddRow(key, EncodeDocHeads(WithoutArrivals(*heads)));
    return absl::OkStatus();
  }

  [[nodiscard]] std::size_t bytes() const {
    return rows_.size() + chains_.size();
  }

  std::string Finish() {
    std::string out(1, static_cast<char>(kPieceFormat));
    AppendVarint(out, named_.size());
    out += chains_;
    out += rows_;
    return out;
  }

 private:
  absl::Status AddChains(const StoredHeads& heads) {
    for (const StoredHead& head : heads) {
      const ChainRef& ref = head.at->chain;
      if (ref.length == 0 || !named_.insert(ref.hash).second) continue;
      const absl::StatusOr<std::string> chain =
          store_.Get(Column::kChains, ref.hash.view(), snapshot_);
      if (absl::IsNotFound(chain.status())) {
        return DataLoss("causal state: chain " + ref.hash.ToHex() +
                        " is missing");
      }
      SYNCLINE_RETURN_IF_ERROR(chain.status());
      AppendSized(chains_, *chain);
    }
    return absl::OkStatus();
  }

  void AddRow(std::string_view key, std::string_view value) {
    AppendSized(rows_, key);
    AppendSized(rows_, value);
  }

  const Store& store_;
  const StoreSnapshot* const snapshot_;
  std::set<Hash> named_;
  std::string chains_;
  std::string rows_;
};

// ---- reading

absl::Status Fault(std::string_view what) {
  return InvalidArgument("state: " + std::string(what));
}

template <typename List, typename KeyOf>
bool AscendingBy(const List& list, KeyOf key_of) {
  return std::adjacent_find(list.begin(), list.end(),
                            [&](const auto& a, const auto& b) {
                              return !(key_of(a) < key_of(b));
                            }) == list.end();
}

class RowChecker {
 public:
  RowChecker(const Chains& chains, const VersionVector& frontier)
      : chains_(chains), frontier_(frontier) {}

  absl::Status Check(const StateRow& row) const {
    if (!row.item) return CheckHeads(Field::kDoc, row.doc_heads);
    if (*row.item == kRoot) return Fault("a register of the root");
    if (row.heads.empty()) return Fault("an item without heads");
    if (row.item->IsDirectory() && !row.heads.contents.empty()) {
      return Fault("content of a directory");
    }
    SYNCLINE_RETURN_IF_ERROR(CheckHeads(Field::kPlace, row.heads.places));
    SYNCLINE_RETURN_IF_ERROR(CheckHeads(Field::kContent, row.heads.contents));
    for (const auto& [key, values] : row.heads.attrs) {
      SYNCLINE_RETURN_IF_ERROR(CheckHeads(Field::kAttr, values));
    }
    return absl::OkStatus();
  }

 private:
  absl::Status CheckHeads(Field field, const StoredHeads& heads) const {
    const Dot* last = nullptr;
    Dot previous;
    for (const StoredHead& head : heads) {
      const Dot dot = head.order.dot();
      if (dot.counter == 0 || !frontier_.Covers(dot)) {
        return Fault("a head outside its frontier");
      }
      if (last != nullptr && !(previous < dot)) {
        return Fault("heads out of order");
      }
      previous = dot;
      last = &previous;
      if (head.generation != 0 && head.generation != 1) {
        return Fault("generation");
      }
      SYNCLINE_RETURN_IF_ERROR(CheckValue(field, head));
    }
    return absl::OkStatus();
  }

  absl::Status CheckValue(Field field, const StoredHead& head) const {
    if (!AscendingBy(head.attrs,
                     [](const auto& attr) -> const std::string& {
                       return attr.first;
                     }) ||
        !AscendingBy(head.sources,
                     [](const Dot& dot) -> const Dot& { return dot; })) {
      return Fault("a list out of order");
    }
    if (field != Field::kPlace && field != Field::kContent) {
      return absl::OkStatus();
    }
    return CheckPlace(*head.at);
  }

  // The chains were checked by themselves.
  absl::Status CheckPlace(const StoredLocation& at) const {
    if (!LegalName(at.name)) return Fault("an illegal name");
    const ItemId* parent = &kRoot;
    if (at.chain.length != 0) {
      const auto chain = chains_.find(at.chain.hash);
      if (chain == chains_.end() || chain->second.size() != at.chain.length) {
        return Fault("a chain that is not in the piece");
      }
      parent = &chain->second.back().first;
    }
    return at.parent == *parent
               ? absl::OkStatus()
               : Fault("a chain that does not lead to the parent");
  }

  const Chains& chains_;
  const VersionVector& frontier_;
};

absl::Status ReadChains(ByteReader& reader, DecodedPiece& piece,
                        Chains& chains) {
  const std::uint64_t count = reader.Varint();
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const std::string_view bytes = reader.Sized();
    std::optional<Chain> chain = ChainRows::Decode(bytes);
    if (!chain || chain->empty()) return Fault("a malformed chain");
    if (const auto fault = LocationFault({chain->back().first, "x", *chain})) {
      return Fault(*fault);
    }
    const Hash hash = Sha256(bytes);
    piece.chains.emplace_back(hash, bytes);
    chains.emplace(hash, *std::move(chain));
  }
  return reader.ok() ? absl::OkStatus() : Fault("a piece that is cut off");
}

absl::StatusOr<StateRow> ReadRow(std::string_view key, std::string_view value) {
  StateRow row;
  row.key = key;
  if (key.starts_with(kItemTag)) {
    row.item = ParseItemKey(key.substr(1));
    auto heads = DecodeItemHeads(value);
    if (!row.item || !heads) return Fault("a malformed row");
    row.heads = *std::move(heads);
    return row;
  }
  const auto doc =
      key.starts_with(kDocTag) ? ParseDocKey(key.substr(1)) : std::nullopt;
  auto heads = DecodeDocHeads(value);
  if (!doc || !heads) return Fault("a malformed row");
  row.doc = *doc;
  row.doc_heads = *std::move(heads);
  return row;
}

}  // namespace

bool IsAlive(const ItemId& item, const ItemHeads& heads) {
  return item.IsDirectory() ? !heads.places.empty() : !heads.contents.empty();
}

absl::StatusOr<StatePiece> StateReader::Next(std::string_view after,
                                             std::size_t bytes_max) const {
  const std::string project = ProjectPrefix(project_);
  IterateOptions options;
  options.lower_bound = project + kDocTag;
  options.upper_bound = PrefixEnd(project + kItemTag);
  options.snapshot = snapshot_;
  options.fill_cache = false;
  const auto rows = store_.NewIterator(Column::kHeads, options);
  if (after.empty()) {
    rows->SeekToFirst();
  } else {
    const std::string at = project + std::string(after);
    rows->Seek(at);
    if (rows->Valid() && rows->key() == at) rows->Next();
  }
  StatePiece piece;
  PieceWriter writer(store_, snapshot_);
  for (; rows->Valid(); rows->Next()) {
    if (piece.rows > 0 &&
        writer.bytes() + rows->key().size() + rows->value().size() >
            bytes_max) {
      break;
    }
    const std::string_view key = rows->key().substr(project.size());
    SYNCLINE_RETURN_IF_ERROR(writer.Add(key, rows->value()));
    piece.last_key = key;
    ++piece.rows;
  }
  SYNCLINE_RETURN_IF_ERROR(rows->status());
  piece.end = !rows->Valid();
  piece.bytes = writer.Finish();
  return piece;
}

absl::StatusOr<DecodedPiece> DecodePiece(std::string_view bytes,
                                         std::string_view after,
                                         const VersionVector& frontier) {
  ByteReader reader(bytes);
  if (reader.U8() != kPieceFormat) return Fault("a piece of another format");
  DecodedPiece piece;
  Chains chains;
  SYNCLINE_RETURN_IF_ERROR(ReadChains(reader, piece, chains));
  const RowChecker checker(chains, frontier);
  std::string_view last = after;
  while (reader.ok() && !reader.AtEnd()) {
    const std::string_view key = reader.Sized();
    const std::string_view value = reader.Sized();
    if (!reader.ok()) break;
    if (key <= last) return Fault("rows out of order");
    SYNCLINE_ASSIGN_OR_RETURN(StateRow row, ReadRow(key, value));
    SYNCLINE_RETURN_IF_ERROR(checker.Check(row));
    last = key;
    piece.rows.push_back(std::move(row));
  }
  if (!reader.ok()) return Fault("a piece that is cut off");
  return piece;
}

}  // namespace syncline
