#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace syncline {

// Finds where a stream of bytes is cut into chunks, so that an edit moves only
// the cuts near it: FastCDC (Xia et al., "FastCDC: a Fast and Efficient
// Content-Defined Chunking Approach for Data Deduplication", USENIX ATC 2016)
// with its gear hash and normalised chunking.
//
// The parameters and the gear table are part of the format of stored content:
// kv/CONTENT_FORMAT.md. A chunk is longer than kBytesMin, except at the end of
// a stream, and no longer than kBytesMax.
//
// Looks at bytes and keeps none. Thread-compatible.
class Chunker {
 public:
  static constexpr std::size_t kBytesMin = 16u << 10;
  static constexpr std::size_t kBytesNormal = 64u << 10;
  static constexpr std::size_t kBytesMax = 256u << 10;

  struct Step {
    std::size_t bytes;  // How many of the bytes belong to the chunk.
    bool cut;           // It ends there. If not, all bytes do, and more come.
  };

  // Goes on with the chunk under way. After a cut the next call starts the
  // next chunk: hand it the bytes that were left.
  Step Scan(std::string_view bytes);

  // Forgets the chunk under way.
  void Reset() { *this = Chunker(); }

 private:
  std::size_t length_ = 0;  // Of the chunk under way.
  std::uint64_t gear_ = 0;
};

}  // namespace syncline
