#include "tests/sim/sim_archive.h"

namespace syncline::testing {

void SimArchive::Add(const Hash& before, std::string_view entry) {
  entries_.try_emplace(Sha256(before.view(), entry),
                       Known{before, std::string(entry)});
}

bool SimArchive::Collect(const ChainHead& head,
                         std::map<Dot, std::string>& to) const {
  Hash hash = head.hash;
  for (Dot dot = head.dot; dot.counter > 0; --dot.counter) {
    const auto at = entries_.find(hash);
    if (at == entries_.end()) return false;
    to.emplace(dot, at->second.entry);
    hash = at->second.before;
  }
  return hash == Hash();
}

}  // namespace syncline::testing
