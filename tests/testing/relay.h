#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

namespace syncline::testing {

class NetworkSpace;

// A bad line between two processes: passes what comes to a port of its own,
// on loopback, on to another. Works in a thread of its own; all functions may
// be called at any time.
class Relay {
 public:
  enum class Way { kForth, kBack };  // As the one who dials sees it.

  // `target` is "127.0.0.1:PORT"; nobody has to listen there yet.
  // `from` and `to` are where the two ends are (borrowed); null: here.
  explicit Relay(const std::string& target, const NetworkSpace* from = nullptr,
                 const NetworkSpace* to = nullptr);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // "127.0.0.1:PORT", where to dial.
  [[nodiscard]] const std::string& address() const;

  // Holds back all that goes that way, without telling anybody, until it is
  // let through again.
  void Hold(Way way, bool held);
  // From now on each piece waits up to `most`, and one in `lost_one_in` is
  // late by the 200 ms after which TCP sends again (0: none).
  void Disturb(std::chrono::milliseconds most, std::uint64_t lost_one_in);
  // Ends all connections.
  void Cut();
  // What was passed on in that direction.
  [[nodiscard]] std::uint64_t Bytes(Way way) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace syncline::testing
