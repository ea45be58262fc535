#include "replication/state/chain_rows.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"

namespace syncline {
namespace {

std::string EncodeChain(const Chain& chain) {
  std::string out;
  AppendVarint(out, chain.size());
  for (const auto& [item, name] : chain) {
    item.AppendKey(out);
    AppendSized(out, name);
  }
  return out;
}

}  // namespace

std::optional<Chain> ChainRows::Decode(std::string_view bytes) {
  ByteReader reader(bytes);
  const std::uint64_t count = reader.Varint();
  Chain chain;
  for (std::uint64_t i = 0; i < count && reader.ok(); ++i) {
    const std::optional<ItemId> item =
        ItemId::FromKey(reader.Bytes(ItemId::kKeyBytes));
    const std::string_view name = reader.Sized();
    if (!item) return std::nullopt;
    chain.emplace_back(*item, name);
  }
  if (!reader.AtEnd()) return std::nullopt;
  return chain;
}

Hash ChainRows::HashOf(const Chain& chain) {
  return chain.empty() ? Hash{} : Sha256(EncodeChain(chain));
}

ChainRef ChainRows::Add(RowWriter& rows, const Chain& chain) {
  if (chain.empty()) return {};
  const auto length = static_cast<std::uint32_t>(chain.size());
  if (const auto known = KnownHash(chain)) return {*known, length};
  std::string bytes = EncodeChain(chain);
  const Hash hash = Sha256(bytes);
  if (Find(hash) == nullptr) {
    rows.Put(Column::kChains, std::string(hash.view()), std::move(bytes));
    staged_.emplace(hash, chain);
  }
  by_end_[chain.back().first] = hash;
  return {hash, length};
}

std::optional<ChainRef> ChainRows::Known(const Chain& chain) const {
  if (chain.empty()) return ChainRef();
  const std::optional<Hash> hash = KnownHash(chain);
  if (!hash) return std::nullopt;
  return ChainRef{*hash, static_cast<std::uint32_t>(chain.size())};
}

std::optional<Hash> ChainRows::KnownHash(const Chain& chain) const {
  const auto at = by_end_.find(chain.back().first);
  if (at == by_end_.end()) return std::nullopt;
  const Chain* known = Find(at->second);
  if (known == nullptr || *known != chain) return std::nullopt;
  return at->second;
}

const Chain* ChainRows::Find(const Hash& hash) const {
  if (auto at = staged_.find(hash); at != staged_.end()) return &at->second;
  auto at = remembered_.find(hash);
  return at == remembered_.end() ? nullptr : &at->second;
}

Chain ChainRows::Load(RowReader& rows, const ChainRef& ref) {
  if (ref.length == 0) return {};
  const auto first = [&ref](const Chain& whole) {
    const auto count = std::min<std::ptrdiff_t>(ref.length, std::ssize(whole));
    return Chain(whole.begin(), whole.begin() + count);
  };
  if (const Chain* known = Find(ref.hash)) return first(*known);
  const std::optional<std::string> bytes =
      rows.Get(Column::kChains, ref.hash.view());
  std::optional<Chain> chain;
  if (bytes) chain = Decode(*bytes);
  if (!chain) {
    rows.FailRow("chain " + ref.hash.ToHex());
    return {};
  }
  Remember(ref.hash, *chain);
  return first(*chain);
}

void ChainRows::Committed() {
  for (const auto& [hash, chain] : staged_) Remember(hash, chain);
  staged_.clear();
}

void ChainRows::Discarded() { staged_.clear(); }

void ChainRows::Remember(const Hash& hash, const Chain& chain) {
  if (remembered_.size() >= kRememberedMax) {
    remembered_.clear();
    by_end_.clear();
  }
  remembered_.emplace(hash, chain);
}

}  // namespace syncline
