#include "node/node_scope.h"

#include <string>

#include "base/hash.h"

namespace syncline {

ProjectId NodeScopeId() {
  constexpr std::size_t kIdBytes = 16;
  const Hash hash = Sha256("syncline node scope");
  return {std::string(hash.view().substr(0, kIdBytes))};
}

}  // namespace syncline
