#include "replication/state/row.h"

#include "base/check.h"

namespace syncline {

bool Row::conflict() const {
  bool several = false;
  bool human = false;
  for (const Sibling& sibling : siblings) {
    several = several || sibling.reg.item.kind != siblings[0].reg.item.kind ||
              sibling.payload() != siblings[0].payload();
    human = human || sibling.head.generation == 0;
  }
  return several && human;
}

const Sibling& Row::shown_sibling() const {
  SYNCLINE_CHECK(shown < siblings.size(), "a directory has no content");
  return siblings[shown];
}

const ItemId& Row::item() const {
  if (!siblings.empty()) return shown_sibling().reg.item;
  SYNCLINE_CHECK(!items.empty(), "a row has items, or siblings");
  return items.front();
}

}  // namespace syncline
