#include "replication/state/names.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace syncline {
namespace {

constexpr std::size_t kExtensionMax = 16;
constexpr std::uint64_t kLastMsOfYear9999 = 253'402'300'799'999;

bool IsAlphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
         (c >= 'a' && c <= 'z');
}

// Bytes of the extension, its dot included; 0 if there is none.
std::size_t ExtensionBytes(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos || dot == 0) return 0;
  const std::string_view letters = name.substr(dot + 1);
  if (letters.empty() || letters.size() > kExtensionMax ||
      !std::all_of(letters.begin(), letters.end(), IsAlphanumeric)) {
    return 0;
  }
  return letters.size() + 1;
}

bool Continues(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

}  // namespace

bool LegalName(std::string_view name) {
  return !name.empty() && name.size() <= kNameBytesMax && name != "." &&
         name != ".." && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos &&
         !name.starts_with(".syncline");
}

std::string SuffixedName(std::string_view name, std::string_view suffix) {
  const std::size_t extension_bytes = ExtensionBytes(name);
  std::string_view stem = name.substr(0, name.size() - extension_bytes);
  const std::string_view extension = name.substr(stem.size());
  std::size_t room = kNameBytesMax - suffix.size() - extension.size();
  if (stem.size() > room) {
    while (room > 0 && Continues(stem[room])) --room;
    stem = stem.substr(0, room);
  }
  std::string made(stem);
  made += suffix;
  made += extension;
  return made;
}

std::string BesideDirectoryName(std::string_view name, const ItemId& item,
                                int attempt) {
  const Hash tag = Sha256("syncline-name\n" + item.ToText() + "\n" +
                          std::to_string(attempt));
  return SuffixedName(name, "~" + tag.ToHex().substr(0, 8));
}

Hash CopyHash(const ItemId& item, const Dot& dot) {
  return Sha256("syncline-copy\n" + item.ToText() + "\n" + dot.ToText());
}

ItemId CopyItem(const ItemId& item, const Hash& copy_hash) {
  return {*Origin::FromBytes(copy_hash.view().substr(0, Origin::kBytes)), 0, 0,
          item.kind};
}

std::string CopyName(std::string_view name, Hlc written,
                     const Hash& copy_hash) {
  const auto seconds = static_cast<std::time_t>(
      std::min(written.milliseconds(), kLastMsOfYear9999) / 1000);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> stamp;
  const std::size_t size =
      std::strftime(stamp.data(), stamp.size(), "~%Y%m%dT%H%M%SZ-", &utc);
  return SuffixedName(
      name, std::string(stamp.data(), size) + copy_hash.ToHex().substr(0, 8));
}

}  // namespace syncline
