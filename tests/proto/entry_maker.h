#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <utility>

#include "base/random.h"
#include "log/entry.h"

namespace syncline::testing {

// An origin that is easy to see: sixteen times `letter`.
inline Origin OriginOf(unsigned char letter) {
  Origin origin;
  origin.bytes.fill(letter);
  return origin;
}

// Makes entries that the codec must carry, most of them void: any counters,
// names, kinds of effects and chains, from few origins, so that much repeats.
class EntryMaker {
 public:
  explicit EntryMaker(std::uint64_t seed) : random_(seed) {}

  Entry Make() {
    Entry entry;
    entry.dot = {AnyOrigin(), AnyCounter()};
    for (std::uint64_t i = Below(5); i > 0; --i) {
      entry.context.Raise(AnyOrigin(), AnyCounter());
    }
    if (Below(4) != 0)
      entry.context.Raise(entry.dot.origin, entry.dot.counter - 1);
    entry.hlc.packed = random_.Next();
    entry.cause = Below(3) != 0 ? "user" : Below(2) != 0 ? "auto:newest" : "";
    for (std::uint64_t i = Below(6); i > 0; --i) {
      entry.effects.push_back(AnyEffect());
    }
    return entry;
  }
  std::uint64_t Below(std::uint64_t bound) { return random_.Below(bound); }
  SeededRandom& random() { return random_; }

 private:
  Origin AnyOrigin() {
    return Below(8) == 0 ? Origin{}
                         : OriginOf(static_cast<unsigned char>(Below(6)));
  }
  std::uint64_t AnyCounter() {
    return Below(10) == 0 ? random_.Next() : Below(300) + 1;
  }
  ItemId AnyItem() {
    if (Below(12) == 0) return kRoot;
    constexpr ItemKind kKinds[] = {ItemKind::kDirectory, ItemKind::kFile,
                                   ItemKind::kSymlink};
    return {AnyOrigin(), Below(4),
            Below(9) == 0 ? UINT32_MAX : static_cast<std::uint32_t>(Below(3)),
            kKinds[Below(3)]};
  }
  std::string AnyBytes() { return random_.Bytes(Below(12)); }
  std::string AnyName() {
    constexpr const char* kNames[] = {"", "a", "b", ".", "..", "x/y"};
    return Below(4) == 0 ? random_.Bytes(Below(300)) : kNames[Below(6)];
  }
  // Half of the locations share their first directories with others.
  Location AnyLocation() {
    Location location;
    location.name = AnyName();
    for (std::uint64_t i = Below(5); i > 0; --i) {
      location.chain.emplace_back(AnyItem(), AnyName());
    }
    if (!location.chain.empty()) location.parent = location.chain.back().first;
    if (Below(5) == 0) location.parent = AnyItem();
    if (Below(2) == 0) last_ = location;
    return Below(2) == 0 ? last_ : location;
  }
  Dots AnyDots() {
    Dots dots;
    for (std::uint64_t i = Below(4); i > 0; --i) {
      dots.push_back({AnyOrigin(), AnyCounter() - 1});
    }
    std::sort(dots.begin(), dots.end());
    dots.erase(std::unique(dots.begin(), dots.end()), dots.end());
    return dots;
  }
  Attrs AnyAttrs() {
    Attrs attrs;
    for (const char* key : {"", "exec", "mtime", "\xff"}) {
      if (Below(2) == 0) attrs.emplace_back(key, AnyBytes());
    }
    return attrs;
  }
  Effect AnyEffect() {
    switch (Below(7)) {
      case 0:
        return CreateEffect{AnyItem()};
      case 1:
        return PlaceEffect{AnyItem(), AnyLocation(), AnyDots()};
      case 2:
        return ContentEffect{AnyItem(),  AnyBytes(), AnyLocation(),
                             AnyAttrs(), AnyDots(),  AnyDots()};
      case 3:
        return AttrEffect{AnyItem(), AnyBytes(), AnyBytes(), AnyDots()};
      case 4: {
        RemoveEffect remove{AnyItem(), AnyDots(), AnyDots(), {}};
        for (const Dot& dot : AnyDots()) {
          remove.attrs.emplace_back(AnyBytes(), dot);
        }
        return remove;
      }
      case 5: {
        DocEffect doc{AnyBytes(), AnyBytes(), std::nullopt, AnyDots(),
                      AnyDots()};
        if (Below(3) != 0) doc.payload = AnyBytes();
        return doc;
      }
      default:
        return EventEffect{AnyBytes(), AnyBytes()};
    }
  }

  SeededRandom random_;
  Location last_;
};

}  // namespace syncline::testing
