#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "replication/peer/peer_messages.h"
#include "replication/peer/peer_session.h"
#include "tests/sim/sim_clock.h"

namespace syncline::testing {

class SimNode;

// The way between two nodes. While it is up and both run, there is a
// connection over it, or soon will be: messages arrive in order, each after
// its own time, or not at all once the connection was cut.
class SimLink {
 public:
  SimLink(SimClock& clock, SimNode& a, SimNode& b);
  ~SimLink();
  SimLink(const SimLink&) = delete;
  SimLink& operator=(const SimLink&) = delete;

  // Down: cuts the connection, and makes none.
  void SetUp(bool up);
  // Nothing arrives at the second (or first) node any more; nobody is told.
  void Stall(bool towards_second, bool stalled);
  // Whatever is sent over the connection from now on is lost, and nobody is
  // told: both ends must find out.
  void Hang();
  // One of the two has other peers than before.
  void PeersChanged();
  // Cuts the connection, if any: a node stopped, or a session ended.
  void Cut();
  // What keeps the two apart, for people.
  [[nodiscard]] std::string Trouble() const;
  // Empty, or that a device says the two are in step while the other lacks
  // content. Whoever has lied, or heard lies, may say anything.
  [[nodiscard]] std::string Overstated() const;
  // Of two that are in step: empty, or that one of them neither knows it nor
  // says what is wrong.
  [[nodiscard]] std::string Understated() const;
  // How often a session ended because what came was wrong.
  [[nodiscard]] std::uint64_t refused() const { return refused_; }
  // Empty, or why one did though none of the two ever lied.
  [[nodiscard]] const std::string& fault() const { return fault_; }
  [[nodiscard]] bool Joins(const SimNode& node) const {
    return nodes_[0] == &node || nodes_[1] == &node;
  }

 private:
  struct Connection;
  class Remote;
  [[nodiscard]] bool IsHonest() const;
  [[nodiscard]] bool InSync(int i) const;  // As node i sees it.
  void ConnectLater();
  void Connect();
  void OnEnded(const std::shared_ptr<Connection>& connection,
               const absl::Status& why);
  void OnMalformed(const std::shared_ptr<Connection>& connection);
  void CutLater(const std::shared_ptr<Connection>& connection);

  SimClock& clock_;
  SimNode* const nodes_[2];
  bool up_ = true;
  bool connecting_ = false;
  bool stalled_[2] = {false, false};  // Towards that node.
  std::shared_ptr<Connection> connection_;
  std::uint64_t refused_ = 0;
  std::string fault_;
};

}  // namespace syncline::testing
