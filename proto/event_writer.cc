#include "proto/event_writer.h"

#include "base/bytes.h"
#include "proto/words.h"

namespace syncline {
namespace {

// Numbers and pointers as the encoding of Cap'n Proto has them: 64 bits,
// little endian.

void StoreWord(std::string& out, std::size_t at, std::uint64_t word) {
  for (std::size_t i = 0; i < kWord; ++i) {
    out[at + i] = static_cast<char>(word >> 8 * i);
  }
}

void AppendWord(std::string& out, std::uint64_t word) {
  out.resize(out.size() + kWord);
  StoreWord(out, out.size() - kWord, word);
}

// `offset`: words between the pointer and what it points to.
constexpr std::uint64_t StructPointer(std::uint64_t offset,
                                      std::uint64_t data_words,
                                      std::uint64_t pointers) {
  return offset << 2 | data_words << 32 | pointers << 48;
}
enum ElementSize : std::uint64_t { kByte = 2, kComposite = 7 };
constexpr std::uint64_t ListPointer(std::uint64_t offset, ElementSize size,
                                    std::uint64_t count) {
  return offset << 2 | 1 | size << 32 | count << 35;
}

// struct Entry (entry.capnp): its words, behind the pointer to it.
constexpr std::size_t kCounter = 1 * kWord;
constexpr std::size_t kHlc = 2 * kWord;
constexpr std::size_t kOrigins = 3 * kWord;
constexpr std::size_t kContext = 4 * kWord;
constexpr std::size_t kEffects = 7 * kWord;
constexpr std::size_t kEntryEnd = 9 * kWord;
constexpr std::uint64_t kEntryPointers = 6;
// struct Effect: node and supersedes 0, the number of the union's member.
constexpr std::uint64_t kEffectIsEvent = std::uint64_t{6} << 48;
// The list of effects: its tag, an Effect of two words, an Event of two.
constexpr std::uint64_t kEffectWords = 2;

// Appends the bytes that the pointer at `pointer` then leads to.
void AppendData(std::string& out, std::size_t pointer, std::string_view data) {
  const std::size_t offset = (out.size() - pointer) / kWord - 1;
  StoreWord(out, pointer, ListPointer(offset, kByte, data.size()));
  out += data;
  out.resize(out.size() + WordsOf(data.size()) * kWord - data.size());
}

}  // namespace

EventWriter::EventWriter(const Origin& author, const VersionVector& context) {
  std::string origins(author.view());
  std::string counters;
  for (const VersionVector::Slot& slot : context.slots()) {
    if (slot.origin == author) continue;
    origins += slot.origin.view();
    AppendVarint(counters, slot.counter);
  }
  AppendWord(head_, StructPointer(0, 2, kEntryPointers));
  head_.resize(kEntryEnd);
  AppendData(head_, kOrigins, origins);
  if (!counters.empty()) AppendData(head_, kContext, counters);
  StoreWord(head_, kEffects,
            ListPointer((head_.size() - kEffects) / kWord - 1, kComposite,
                        kEffectWords));
  AppendWord(head_, StructPointer(1, 1, 1));  // The tag: one element.
  AppendWord(head_, kEffectIsEvent);
  AppendWord(head_, StructPointer(0, 0, 2));
}

void EventWriter::Append(std::uint64_t counter, Hlc hlc, const EventView& event,
                         std::string& out) const {
  // Pointers lead forward within the message.
  const std::size_t start = out.size();
  out += head_;
  StoreWord(out, start + kCounter, counter);
  StoreWord(out, start + kHlc, hlc.packed);
  const std::size_t pointers = out.size();
  out.resize(out.size() + 2 * kWord);
  AppendData(out, pointers, event.channel);
  AppendData(out, pointers + kWord, event.payload);
}

}  // namespace syncline
