#pragma once

#include <memory>

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace syncline {

// `base` (borrowed; null: the machine's) with write-ahead logs whose files are
// made longer than what is in them, a step at a time: a sync of a file that
// does not grow need not change its size on the disk as well, which is
// about a third of what a sync costs on ext4. A log that is closed has its own
// length again; one that a crash left ends in zeros, which opening passes over.
// Internal to kv.
std::unique_ptr<rocksdb::Env> WithRoomyLogs(rocksdb::Env* base);

}  // namespace syncline
