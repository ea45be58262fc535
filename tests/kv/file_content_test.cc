#include "kv/file_content.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/random.h"
#include "base/status.h"
#include "kv/content_list.h"
#include "kv/memory_store.h"
#include "tests/testing/some_bytes.h"
#include "tests/testing/temporary_directory.h"

namespace syncline {
namespace {

using testing::SomeBytes;

using absl::StatusCode;

// A file that needs a list of chunks, and a little more than one list.
constexpr std::size_t kListed = 40u << 20;

struct ContentFixture {
  testing::TemporaryDirectory dir;
  MemoryStore rows;
  std::unique_ptr<ChunkStore> chunks =
      ChunkStore::Open(rows, dir.path()).value();
};

FileContent StoreContent(ChunkStore& chunks, std::string_view bytes,
                         std::size_t piece = SIZE_MAX) {
  ContentWriter writer(chunks);
  while (!bytes.empty()) {
    const std::string_view part = bytes.substr(0, piece);
    REQUIRE(writer.Add(part).ok());
    bytes.remove_prefix(part.size());
  }
  auto content = writer.Finish();
  REQUIRE(content.ok());
  return *std::move(content);
}

absl::StatusOr<std::string> Read(const ChunkStore& chunks,
                                 const FileContent& content) {
  std::string bytes;
  SYNCLINE_RETURN_IF_ERROR(
      ReadContent(chunks, content, [&](std::string_view part) {
        bytes += part;
        return absl::OkStatus();
      }));
  return bytes;
}

TEST_CASE("file_content: files of any size come back", "[kv][law]") {
  ContentFixture fixture;
  struct Row {
    std::size_t size;
    int level;
    std::size_t refs_min;
    std::size_t refs_max;
    const char* why;
  };
  const Row row = GENERATE(Row{0, 0, 0, 0, "an empty file has no chunk"},
                           Row{1, 0, 1, 1, "one byte"},
                           Row{16384, 0, 1, 1, "the largest single chunk"},
                           Row{16385, 0, 1, 1, "the least file that is cut"},
                           Row{1u << 20, 0, 5, 32, "chunks in the payload"},
                           Row{kListed, 1, 1, 1, "chunks in a list"});
  INFO(row.why);
  const std::string bytes = SomeBytes(row.size, row.size);
  const FileContent content = StoreContent(*fixture.chunks, bytes);
  CHECK(content.size == row.size);
  CHECK(content.hash == Sha256(bytes));
  CHECK(content.level == row.level);
  CHECK(content.refs.size() >= row.refs_min);
  CHECK(content.refs.size() <= row.refs_max);
  const std::string payload = content.Encode();
  CHECK(FileContent::Decode(payload).value() == content);
  CHECK(Read(*fixture.chunks, content).value() == bytes);
  CHECK(HashContent(bytes).value() == content);
  CHECK(MissingChunks(*fixture.chunks, content)->empty());
}

TEST_CASE("file_content: payloads are small and known", "[kv][golden]") {
  CHECK(HashContent("")->Encode() == std::string("\x01\0", 2));
  CHECK(HashContent("abc")->Encode() ==
        "\x01\x03" + std::string(Sha256("abc").view()));
  CHECK(HashContent(SomeBytes(1, 16384))->Encode().size() == 36);
  CHECK(EncodeSymlinkPayload("../to") == "\x02../to");
  // Pins chunker and encodings together.
  CHECK(Sha256(HashContent(SomeBytes(1, 1u << 20))->Encode()).ToHex() ==
        "c5da14a5fc25217ec8d54fffa54537cc308d856c4de3b88d09df6ec038cb7467");
  CHECK(ToHex(HashContent(SomeBytes(2, kListed))->Encode()) ==
        "0180808014"
        "441a622904ed80ee30c174eb11eaad312e03003a3e88f2f452418ee66e56651e"
        "0101fd9901"
        "98a14c2fd372b51fb14354f258566be51dc25e023a928df131ae6284fd8f1cbf");
}

TEST_CASE("file_content: how bytes are handed over does not matter",
          "[kv][law]") {
  ContentFixture fixture;
  const std::string bytes = SomeBytes(9, 3u << 20);
  const FileContent content = StoreContent(*fixture.chunks, bytes);
  for (const std::size_t piece : {std::size_t{777}, std::size_t{16384},
                                  std::size_t{65536}, std::size_t{1} << 20}) {
    CHECK(StoreContent(*fixture.chunks, bytes, piece) == content);
  }
  for (int seed = 0; seed < 5; ++seed) {
    SeededRandom random(static_cast<std::uint64_t>(seed));
    ContentWriter writer(*fixture.chunks);
    std::string_view rest = bytes;
    while (!rest.empty()) {
      const std::string_view part = rest.substr(0, random.Below(200'000));
      REQUIRE(writer.Add(part).ok());
      rest.remove_prefix(part.size());
    }
    CHECK(writer.Finish().value() == content);
  }
}

TEST_CASE("file_content: an edit of a large file adds few chunks",
          "[kv][law]") {
  ContentFixture fixture;
  std::string bytes = SomeBytes(5, 8u << 20);
  StoreContent(*fixture.chunks, bytes);
  bytes.insert(bytes.size() / 2, "some words in the middle");
  const auto missing =
      MissingChunks(*fixture.chunks, HashContent(bytes).value()).value();
  // The list itself is new, and it alone is named until it arrives.
  REQUIRE(missing.size() == 1);
  const FileContent content = HashContent(bytes).value();
  ContentFixture other;
  StoreContent(*other.chunks, bytes);
  const std::string list = other.chunks->Get(content.refs[0].hash).value();
  REQUIRE(fixture.chunks->Put(list).ok());
  const auto data = MissingChunks(*fixture.chunks, content).value();
  CHECK(data.size() >= 1);
  CHECK(data.size() <= 3);
}

TEST_CASE("file_content: missing chunks are named once and in order",
          "[kv][law]") {
  ContentFixture fixture;
  std::string bytes = SomeBytes(6, 1u << 20);
  bytes += bytes;  // Most chunks occur twice.
  const FileContent content = HashContent(bytes).value();
  REQUIRE(content.level == 0);
  std::vector<FileContent::Ref> distinct;
  for (const auto& ref : content.refs) {
    if (std::find(distinct.begin(), distinct.end(), ref) == distinct.end()) {
      distinct.push_back(ref);
    }
  }
  REQUIRE(distinct.size() < content.refs.size());
  CHECK(MissingChunks(*fixture.chunks, content).value() == distinct);
  CHECK(Read(*fixture.chunks, content).status().code() ==
        StatusCode::kNotFound);
  StoreContent(*fixture.chunks, bytes);
  REQUIRE(fixture.chunks->Discard(distinct[2].hash).ok());
  CHECK(MissingChunks(*fixture.chunks, content).value() ==
        std::vector{distinct[2]});
}

TEST_CASE("file_content: a fetch by missing chunks completes a file",
          "[kv][law]") {
  ContentFixture author;
  ContentFixture reader;
  const std::string bytes = SomeBytes(7, kListed);
  const FileContent content = StoreContent(*author.chunks, bytes);
  int rounds = 0;
  for (;; ++rounds) {
    const auto missing = MissingChunks(*reader.chunks, content).value();
    if (missing.empty()) break;
    for (const auto& ref : missing) {
      const std::string chunk = author.chunks->Get(ref.hash).value();
      REQUIRE(chunk.size() == ref.bytes);
      REQUIRE(reader.chunks->PutHashed(ref.hash, chunk).ok());
    }
  }
  CHECK(rounds == 2);  // The list, then the data.
  CHECK(Read(*reader.chunks, content).value() == bytes);
}

TEST_CASE("file_content: ranges read what they ask for", "[kv][table]") {
  ContentFixture fixture;
  const std::string bytes = SomeBytes(8, 5u << 20);
  const FileContent content = StoreContent(*fixture.chunks, bytes);
  SeededRandom random(1);
  for (int i = 0; i < 40; ++i) {
    const std::size_t offset = random.Below(bytes.size() + 10);
    const std::size_t length = i % 5 == 0 ? SIZE_MAX : random.Below(400'000);
    INFO("offset " << offset << " length " << length);
    std::string read;
    REQUIRE(ReadContentRange(*fixture.chunks, content, offset, length,
                             [&](std::string_view part) {
                               read += part;
                               return absl::OkStatus();
                             })
                .ok());
    CHECK((read == (offset < bytes.size() ? bytes.substr(offset, length)
                                          : std::string())));
  }
  const auto refuse = [](std::string_view) { return Internal("no"); };
  CHECK(ReadContentRange(*fixture.chunks, content, bytes.size() - 1, 1,
                         refuse) == Internal("no"));
  CHECK(ReadContent(*fixture.chunks, content, refuse) == Internal("no"));
}

TEST_CASE("file_content: a range needs only its own chunks", "[kv]") {
  ContentFixture fixture;
  const std::string bytes = SomeBytes(8, 1u << 20);
  const FileContent content = StoreContent(*fixture.chunks, bytes);
  REQUIRE(fixture.chunks->Discard(content.refs.back().hash).ok());
  const auto ignore = [](std::string_view) { return absl::OkStatus(); };
  CHECK(ReadContentRange(*fixture.chunks, content, 0, 100, ignore).ok());
  CHECK(ReadContentRange(*fixture.chunks, content, bytes.size() - 1, 1, ignore)
            .code() == StatusCode::kNotFound);
}

TEST_CASE("file_content: a damaged chunk is found and healed", "[kv][fault]") {
  ContentFixture fixture;
  const std::string bytes = SomeBytes(10, 4u << 20);
  const FileContent content = StoreContent(*fixture.chunks, bytes);
  REQUIRE(fixture.chunks->Sync().ok());
  for (const auto& each :
       std::filesystem::recursive_directory_iterator(fixture.dir.path())) {
    if (!each.is_regular_file()) continue;
    std::fstream file(each.path(),
                      std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(1000);
    file.put('x');
    file.put('y');
    file.put('z');
    break;
  }
  CHECK(Read(*fixture.chunks, content).status().code() ==
        StatusCode::kDataLoss);
  const auto damaged = DiscardDamaged(*fixture.chunks, content).value();
  REQUIRE(damaged.size() == 1);
  CHECK(MissingChunks(*fixture.chunks, content).value() == damaged);
  StoreContent(*fixture.chunks, bytes);
  CHECK(DiscardDamaged(*fixture.chunks, content)->empty());
  CHECK(Read(*fixture.chunks, content).value() == bytes);
}

TEST_CASE("file_content: a payload that lies about its chunks is data loss",
          "[kv][fault]") {
  ContentFixture fixture;
  const std::string bytes = SomeBytes(11, 1u << 20);
  FileContent content = StoreContent(*fixture.chunks, bytes);
  SECTION("another hash of the whole") { content.hash.bytes[0] ^= 1; }
  SECTION("chunks in another order") {
    std::swap(content.refs[1].hash, content.refs[2].hash);
  }
  SECTION("another size") { content.size -= 1; }
  CHECK(Read(*fixture.chunks, content).status().code() ==
        StatusCode::kDataLoss);
}

// `content` with its one list replaced by `list`.
FileContent WithList(ContentFixture& fixture, FileContent content,
                     const std::string& list) {
  content.refs = {{fixture.chunks->Put(list).value(),
                   static_cast<std::uint32_t>(list.size())}};
  return content;
}

TEST_CASE("file_content: a malformed list is data loss", "[kv][fault]") {
  ContentFixture fixture;
  const std::string bytes = SomeBytes(12, 6u << 20);
  const FileContent content = StoreContent(*fixture.chunks, bytes);
  REQUIRE(content.level == 1);
  const std::string list = fixture.chunks->Get(content.refs[0].hash).value();
  const auto refs = DecodeList(list, 0, true).value();
  REQUIRE(WithList(fixture, content, list) == content);
  CHECK(DecodeList(list, 0, false).status().code() == StatusCode::kDataLoss);
  CHECK(DecodeList(list, 1, true).status().code() == StatusCode::kDataLoss);
  std::string bad = list;
  SECTION("cut short") { bad.pop_back(); }
  SECTION("bytes left over") { bad += '\0'; }
  SECTION("another tag") { bad[0] ^= 1; }
  SECTION("another level") { bad[1] ^= 1; }
  SECTION("a chunk that is too small") {
    auto some = refs;
    some[1].bytes = 16384;
    bad = EncodeList(0, some);
  }
  SECTION("a chunk that is too large") {
    auto some = refs;
    some[1].bytes = (256u << 10) + 1;
    bad = EncodeList(0, some);
  }
  SECTION("no chunk") { bad = EncodeList(0, {}); }
  SECTION("too many chunks") {
    bad = EncodeList(0, std::vector(kListRefsMax + 1, refs[0]));
  }
  const FileContent lying = WithList(fixture, content, bad);
  CHECK(MissingChunks(*fixture.chunks, lying).status().code() ==
        StatusCode::kDataLoss);
  CHECK(Read(*fixture.chunks, lying).status().code() == StatusCode::kDataLoss);
}

TEST_CASE("file_content: lists that repeat each other cost no time to check",
          "[kv][fault]") {
  // Some 36 KiB that promise 2 to the 35 chunks.
  ContentFixture fixture;
  FileContent content;
  content.level = 3;
  FileContent::Ref ref{Sha256("data"), 65536};
  for (int level = 0; level < 3; ++level) {
    const std::string list = EncodeList(level, std::vector(kListRefsMax, ref));
    ref = {fixture.chunks->Put(list).value(),
           static_cast<std::uint32_t>(list.size())};
  }
  content.refs = std::vector(FileContent::kInlineRefsMax, ref);
  content.size = FileContent::kBytesMax;
  CHECK(MissingChunks(*fixture.chunks, content)->size() == 1);
  CHECK(DiscardDamaged(*fixture.chunks, content)->empty());
}

TEST_CASE("file_content: payloads that no writer makes are refused",
          "[kv][table]") {
  const std::string hash(32, 'h');
  const std::string zero(1, '\0');
  const auto refs = [](std::initializer_list<std::uint32_t> sizes) {
    std::vector<FileContent::Ref> list;
    for (auto size : sizes)
      list.push_back({Sha256(std::to_string(size)), size});
    return list;
  };
  const auto large = [&](std::uint64_t size, int level,
                         std::vector<FileContent::Ref> list) {
    return FileContent{size, Hash{}, level, std::move(list)}.Encode();
  };
  struct Row {
    std::string payload;
    const char* why;
  };
  const std::vector<Row> table = {
      {"", "nothing"},
      {"\x02target", "a symbolic link"},
      {"\x01", "no size"},
      {"\x01" + zero + "x", "bytes after an empty file"},
      {std::string("\x01\x80\x00", 3), "a needlessly long zero"},
      {"\x01\x03" + hash + "x", "bytes left over"},
      {"\x01\x03" + hash.substr(1), "a hash cut short"},
      {"\x01\x83" + zero + hash, "a needlessly long size"},
      {large(20000, 0, {}), "no chunk"},
      {large(20000, 0, refs({20000})), "one chunk with another hash"},
      {large(40001, 0, refs({20000, 20000})), "sizes that do not add up"},
      {large(32385, 0, refs({16384, 16001})), "a chunk that is too small"},
      {large(300000, 0, refs({262145, 37855})), "a chunk that is too large"},
      {large(20000, 0, refs({20000, 0})), "an empty chunk"},
      {large(20000, 1, refs({1100})), "a list where chunks would do"},
      {large(1u << 20, 1, refs({65537})), "a list that is too large"},
      {large(std::uint64_t{1} << 40, 1, refs({36000})), "a level too few"},
      {large(1u << 20, 4, refs({36000})), "a level too many"},
      {large((std::uint64_t{1} << 48) + 1, 3,
             std::vector(32, FileContent::Ref{Hash{}, 36000})),
       "too large a file"},
      {large(33 * 20000, 0, std::vector(33, FileContent::Ref{Hash{}, 20000})),
       "more chunks than a payload holds"},
  };
  for (const Row& row : table) {
    INFO(row.why);
    CHECK(FileContent::Decode(row.payload).status().code() ==
          StatusCode::kInvalidArgument);
  }
}

TEST_CASE("file_content: what is accepted is canonical", "[kv][fuzz]") {
  const std::vector<std::string> corpus = {
      HashContent("")->Encode(), HashContent("abc")->Encode(),
      HashContent(SomeBytes(1, 20000))->Encode(),
      HashContent(SomeBytes(1, 1u << 20))->Encode(),
      HashContent(SomeBytes(1, 6u << 20))->Encode()};
  int accepted = 0;
  for (std::uint64_t seed = 0; seed < 20000; ++seed) {
    SeededRandom random(seed);
    std::string payload = corpus[random.Below(corpus.size())];
    for (auto n = random.Below(3) + 1; n > 0; --n) {
      const std::size_t at = random.Below(payload.size() + 1);
      switch (random.Below(4)) {
        case 0:
          payload.resize(at);
          break;
        case 1:
          payload.insert(at, random.Bytes(random.Below(3)));
          break;
        default:
          if (at < std::min<std::size_t>(payload.size(), 40)) {
            payload[at] ^= static_cast<char>(1u << random.Below(8));
          }
      }
    }
    const auto content = FileContent::Decode(payload);
    if (!content.ok()) {
      REQUIRE(content.status().code() == StatusCode::kInvalidArgument);
      continue;
    }
    ++accepted;
    REQUIRE(content->Encode() == payload);
    REQUIRE(content->refs.size() <= FileContent::kInlineRefsMax);
  }
  CHECK(accepted > 100);  // The fuzzer reaches what lies behind.
}

TEST_CASE("file_content: symbolic links come back and bad ones are refused",
          "[kv]") {
  CHECK(DecodeSymlinkPayload(EncodeSymlinkPayload("../a b")).value() ==
        "../a b");
  const std::string longest(kSymlinkTargetBytesMax, 'x');
  CHECK(DecodeSymlinkPayload(EncodeSymlinkPayload(longest)).ok());
  for (const std::string& bad :
       {std::string(), std::string("\x01target"), EncodeSymlinkPayload(""),
        EncodeSymlinkPayload(longest + "x"),
        EncodeSymlinkPayload(std::string("a\0b", 3))}) {
    CHECK(DecodeSymlinkPayload(bad).status().code() ==
          StatusCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace syncline
