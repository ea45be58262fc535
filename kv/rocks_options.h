#pragma once

#include <rocksdb/db.h>

#include <string>
#include <vector>

#include "kv/store.h"

namespace syncline {

// How RocksDB is set up for an embedded node. Internal to kv.

// The name of a column on disk: part of the format.
std::string ColumnName(Column column);

rocksdb::DBOptions EmbeddedOptions();

// RocksDB's own "default", which stays empty, and then our columns, kMeta
// last: RocksDB creates them in this order, so a store that has kMeta has all.
std::vector<rocksdb::ColumnFamilyDescriptor> ColumnDescriptors();

}  // namespace syncline
