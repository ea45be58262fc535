#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/any_io_executor.hpp>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/time_source.h"
#include "kv/store.h"
#include "log/append_log.h"
#include "replication/state/causal_state.h"
#include "replication/state/staged_state.h"
#include "replication/state_header.h"

namespace syncline {

// Takes in the state of another node (SPEC X4): stages its pieces, then
// installs them as one join. Everything survives a restart at any point: what
// was staged is gone on with, an installation that had begun is done again
// from its start, which changes nothing twice.
//
// Guard: a state that would drop more than kDroppedMax items and more than a
// tenth of all is held back until a second device offers the same, or a user
// accepts it: a wrong state deletes by leaving out.
//
// Bound to the replica's executor.
class StateIntake {
 public:
  static constexpr std::uint64_t kDroppedMax = 1000;
  static constexpr std::uint64_t kDroppedTenth = 10;

  using Done = std::function<void(absl::Status)>;

  // What the replica does for it. Borrowed.
  class Host {
   public:
    virtual ~Host() = default;
    // Writes `drafts` (without entries), `rows` and the changed view rows in
    // one batch.
    virtual void WriteJoined(std::span<const Draft> drafts, WriteBatch rows,
                             Done done) = 0;
    // ... and raises the log: the last batch of an installation.
    virtual void WriteJoinEnd(const StateHeader& header, WriteBatch rows,
                              Done done) = 0;
    // Before and after an installation. Nothing may change the state between.
    virtual void BeginInstall(Done ready) = 0;
    virtual void EndInstall() = 0;
    // `payload` is content that is wanted from now on.
    virtual absl::Status WantContent(std::string_view payload,
                                     WriteBatch& rows) = 0;
    // What is about to be written with WriteJoined(), `rows` with it.
    virtual absl::Status NoteJoined(const CausalState::Applied& joined,
                                    WriteBatch& rows) = 0;
    // Whether its chain hashes are signed by the devices of their origins.
    //   kAborted  one is of a history that was given up
    virtual absl::Status CheckProofs(const StateHeader& header) = 0;
    // Whether others may hold another history of `origin`.
    [[nodiscard]] virtual bool InDoubt(const Origin& origin) const = 0;
    // Nothing can go on.
    virtual void Failed(const absl::Status& why) = 0;
  };

  struct Environment {
    Store& store;
    AppendLog& log;
    CausalState& state;
    ProjectNumber project;
    boost::asio::any_io_executor executor;
    const TimeSource& time;
  };

  StateIntake(const Environment& environment, Host& host);
  ~StateIntake();

  // Reads what an earlier process left.
  //   kDataLoss  rows that cannot be read
  absl::Status Load();
  // Goes on with an installation that was cut short, if there is one.
  void Resume();

  // ---- staging
  // Where the sender of a state should go on; nothing if nothing is staged.
  struct Resumption {
    std::string id;
    std::string key;
  };
  [[nodiscard]] std::optional<Resumption> resumption() const;
  // `device` (any text that names it) offers that state, its pieces from
  // behind `from` on. What else was staged is dropped. `compared`: what this
  // node held when it compared itself with the device.
  //   kAlreadyExists       all of it is here: no pieces are wanted, the
  //                        installation begins or is under way
  //   kFailedPrecondition  it is held back by the guard
  //   kUnavailable         another device's is coming in: try again later
  //   kAborted             a fork: its history contradicts the log's, or was
  //                        given up here
  //   kInvalidArgument     `from` is not where staging stopped: ask anew; or
  //                        a chain hash is not signed by its origin's device
  absl::Status Offer(const StateHeader& header, const std::string& from,
                     const std::string& device,
                     const VersionVector& compared = {});
  // The next piece of state `id`; `end` if it is the last. `done` when it is
  // written; the installation then begins by itself.
  //   kAborted          another state took its place: ask anew
  //   kInvalidArgument  it is not what a peer that follows the rules sends, or
  //                     the whole does not have the digest that was announced
  void Stage(const std::string& id, std::string_view piece, bool end,
             Done done);

  // ---- the guard
  struct Held {
    JoinLoss loss;
    std::string device;
  };
  [[nodiscard]] const std::optional<Held>& held() const { return held_; }
  // What people read of it, as kFailedPrecondition. Requires: held().
  [[nodiscard]] absl::Status HeldBack() const;
  // The user wants it all the same.
  //   kFailedPrecondition  nothing is held back
  absl::Status Accept();

  [[nodiscard]] bool installing() const { return phase_ == Phase::kInstalling; }
  // How many states were installed, or begun to be, since this was opened.
  [[nodiscard]] std::uint64_t states() const { return states_; }
  // Calls `done` once nothing is being looked through or installed: at once,
  // or later. kFailedPrecondition: the state is held back. kAborted: what came
  // in from others meanwhile contradicts it; it is gone, compare anew.
  void Await(Done done);

 private:
  enum class Phase : std::uint8_t { kNone, kStaging, kWhole, kInstalling };

  [[nodiscard]] absl::Status CheckHistory(const StateHeader& header,
                                          const VersionVector& compared) const;
  void Begin(void (StateIntake::*next)());
  void Look();
  void Decide();
  void Install();
  void Step();
  void Write(const std::vector<PathChange>& changes, WriteBatch rows, bool end);
  absl::Status Want(const StatePart& part, WriteBatch& rows);
  void Finish();
  void Settle(const absl::Status& outcome);
  void Fail(const absl::Status& why);
  void Refuse(const absl::Status& why);
  void Post(void (StateIntake::*next)());
  void PutProgress(WriteBatch& rows) const;
  void Drop(WriteBatch& rows);
  void Append(const WriteBatch& rows, Durability durability, Done done);

  Environment env_;
  Host& host_;
  Phase phase_ = Phase::kNone;
  StateHeader header_;
  std::string device_;      // Who offered it.
  VersionVector compared_;  // See Offer(); nothing after a restart.
  StageProgress progress_;
  std::int64_t touched_ms_ = 0;  // When a piece came; steady clock.
  std::uint64_t arrival_ = 0;    // Of what is being installed.
  std::uint64_t states_ = 0;
  std::optional<JoinCensus> census_;
  std::optional<Held> held_;
  bool accepted_ = false;
  std::optional<StagedJoin> join_;
  std::vector<Done> waiting_;
  // Held weakly by what is posted, so that it finds out.
  std::shared_ptr<char> alive_ = std::make_shared<char>();
};

}  // namespace syncline
