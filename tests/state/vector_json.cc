#include "tests/state/vector_json.h"

#include <algorithm>
#include <map>
#include <vector>

#include "base/check.h"

namespace syncline::testing {
namespace {

namespace json = boost::json;

Dot ParseDot(const json::value& text) {
  const std::optional<Dot> dot = Dot::FromText(Text(text));
  SYNCLINE_CHECK(dot, "a vector's dot");
  return *dot;
}

ItemId ParseItem(const json::value& text) {
  const std::optional<ItemId> item = ItemId::FromText(Text(text));
  SYNCLINE_CHECK(item, "a vector's item");
  return *item;
}

Dots ParseDots(const json::object& data, const char* field) {
  Dots dots;
  if (const json::value* list = data.if_contains(field)) {
    for (const json::value& dot : list->as_array()) {
      dots.push_back(ParseDot(dot));
    }
  }
  return dots;
}

Location ParseLocation(const json::object& data) {
  Location at{ParseItem(data.at("parent")), Text(data.at("name")), {}};
  for (const json::value& step : data.at("chain").as_array()) {
    at.chain.emplace_back(ParseItem(step.at(0)), Text(step.at(1)));
  }
  return at;
}

Attrs ParseAttrs(const json::object& data) {
  Attrs attrs;
  for (const auto& [key, value] : data) {
    attrs.emplace_back(std::string(key), Text(value));
  }
  std::sort(attrs.begin(), attrs.end());
  return attrs;
}

RemoveEffect ParseRemove(const json::object& data) {
  RemoveEffect effect{ParseItem(data.at("item")),
                      ParseDots(data, "place"),
                      ParseDots(data, "content"),
                      {}};
  for (const json::value& pair : data.at("attrs").as_array()) {
    effect.attrs.emplace_back(Text(pair.at(0)), ParseDot(pair.at(1)));
  }
  return effect;
}

DocEffect ParseDoc(const json::object& data) {
  DocEffect effect{Text(data.at("namespace")), Text(data.at("key")),
                   std::nullopt, ParseDots(data, "supersedes"),
                   ParseDots(data, "sources")};
  if (!data.at("payload").is_null()) effect.payload = Text(data.at("payload"));
  return effect;
}

Effect ParseEffect(const json::object& data) {
  const std::string type = Text(data.at("type"));
  if (type == "create") return CreateEffect{ParseItem(data.at("item"))};
  if (type == "place") {
    return PlaceEffect{ParseItem(data.at("item")),
                       ParseLocation(data.at("location").as_object()),
                       ParseDots(data, "supersedes")};
  }
  if (type == "content") {
    return ContentEffect{ParseItem(data.at("item")),
                         Text(data.at("payload")),
                         ParseLocation(data.at("location").as_object()),
                         ParseAttrs(data.at("attrs").as_object()),
                         ParseDots(data, "supersedes"),
                         ParseDots(data, "sources")};
  }
  if (type == "attr") {
    return AttrEffect{ParseItem(data.at("item")), Text(data.at("key")),
                      Text(data.at("value")), ParseDots(data, "supersedes")};
  }
  if (type == "remove") return ParseRemove(data);
  if (type == "doc") return ParseDoc(data);
  SYNCLINE_CHECK(type == "event", "a vector's effect");
  return EventEffect{Text(data.at("topic")), Text(data.at("payload"))};
}

json::array DotsJson(const Dots& dots) {
  json::array out;
  for (const Dot& dot : dots) out.emplace_back(dot.ToText());
  return out;
}

json::object LocationJson(const Location& at) {
  json::array chain;
  for (const auto& [item, name] : at.chain) {
    chain.push_back(json::array{item.ToText(), name});
  }
  return {{"parent", at.parent.ToText()}, {"name", at.name}, {"chain", chain}};
}

json::object AttrsJson(const Attrs& attrs) {
  json::object out;
  for (const auto& [key, value] : attrs) out[key] = value;
  return out;
}

struct EffectJson {
  json::object operator()(const CreateEffect& e) const {
    return {{"type", "create"}, {"item", e.item.ToText()}};
  }
  json::object operator()(const PlaceEffect& e) const {
    return {{"type", "place"},
            {"item", e.item.ToText()},
            {"location", LocationJson(e.location)},
            {"supersedes", DotsJson(e.supersedes)}};
  }
  json::object operator()(const ContentEffect& e) const {
    return {{"type", "content"},
            {"item", e.item.ToText()},
            {"payload", e.payload},
            {"location", LocationJson(e.location)},
            {"attrs", AttrsJson(e.attrs)},
            {"supersedes", DotsJson(e.supersedes)},
            {"sources", DotsJson(e.sources)}};
  }
  json::object operator()(const AttrEffect& e) const {
    return {{"type", "attr"},
            {"item", e.item.ToText()},
            {"key", e.key},
            {"value", e.value},
            {"supersedes", DotsJson(e.supersedes)}};
  }
  json::object operator()(const RemoveEffect& e) const {
    json::array attrs;
    for (const auto& [key, dot] : e.attrs) {
      attrs.push_back(json::array{key, dot.ToText()});
    }
    return {{"type", "remove"},
            {"item", e.item.ToText()},
            {"place", DotsJson(e.place)},
            {"content", DotsJson(e.content)},
            {"attrs", attrs}};
  }
  json::object operator()(const DocEffect& e) const {
    json::value payload = nullptr;
    if (e.payload) payload = *e.payload;
    return {{"type", "doc"},
            {"namespace", e.name_space},
            {"key", e.key},
            {"payload", payload},
            {"supersedes", DotsJson(e.supersedes)},
            {"sources", DotsJson(e.sources)}};
  }
  json::object operator()(const EventEffect& e) const {
    return {{"type", "event"}, {"topic", e.topic}, {"payload", e.payload}};
  }
};

std::string KindText(const std::optional<ItemKind>& kind) {
  return kind ? std::string(1, static_cast<char>(*kind)) : "doc";
}

std::string FieldText(RegisterId::Field field) {
  switch (field) {
    case RegisterId::Field::kAttr:
      return "attr";
    case RegisterId::Field::kContent:
      return "content";
    case RegisterId::Field::kDoc:
      return "doc";
    case RegisterId::Field::kPlace:
      return "place";
  }
  return {};
}

std::string OwnerText(const RegisterId& reg) {
  return reg.field == RegisterId::Field::kDoc ? reg.name_space
                                              : reg.item.ToText();
}

json::object HeadJson(const RegisterId& reg, const Head& head) {
  json::object row{
      {"register", json::array{FieldText(reg.field), OwnerText(reg), reg.key}},
      {"dot", head.order.dot().ToText()},
      {"hlc", HlcJson(head.order.hlc)},
      {"index", head.order.index},
      {"generation", head.generation}};
  if (const auto* at = std::get_if<Location>(&head.value)) {
    row["value"] = LocationJson(*at);
  } else {
    row["value"] = std::get<std::string>(head.value);
  }
  if (head.hint) {
    row["location"] = LocationJson(*head.hint);
    row["attrs"] = AttrsJson(head.attrs);
  }
  if (!head.sources.empty()) row["sources"] = DotsJson(head.sources);
  return row;
}

}  // namespace

Origin ParseOrigin(const json::value& text) {
  const std::optional<Origin> origin = Origin::FromHex(Text(text));
  SYNCLINE_CHECK(origin, "a vector's origin");
  return *origin;
}

VersionVector ParseFrontier(const json::object& data) {
  VersionVector frontier;
  for (const auto& [origin, counter] : data) {
    frontier.Raise(ParseOrigin(json::value(origin)),
                   static_cast<std::uint64_t>(counter.as_int64()));
  }
  return frontier;
}

Entry ParseEntry(const json::object& data) {
  Entry entry;
  entry.dot = ParseDot(data.at("dot"));
  entry.context = ParseFrontier(data.at("context").as_object());
  const json::array& hlc = data.at("hlc").as_array();
  entry.hlc = Hlc::Of(static_cast<std::uint64_t>(hlc.at(0).as_int64()),
                      static_cast<std::uint16_t>(hlc.at(1).as_int64()));
  entry.cause = Text(data.at("cause"));
  for (const json::value& effect : data.at("effects").as_array()) {
    entry.effects.push_back(ParseEffect(effect.as_object()));
  }
  return entry;
}

Token ParseToken(const json::object& data) {
  Token token;
  token.item = ParseItem(data.at("item"));
  for (const json::value& item : data.at("items").as_array()) {
    token.items.push_back(ParseItem(item));
  }
  for (const json::value& at : data.at("locations").as_array()) {
    token.locations.push_back(ParseLocation(at.as_object()));
  }
  token.attrs = ParseAttrs(data.at("attrs").as_object());
  using Field = RegisterId::Field;
  static const std::map<std::string, Field> kFields = {
      {"attr", Field::kAttr},
      {"content", Field::kContent},
      {"doc", Field::kDoc},
      {"place", Field::kPlace}};
  for (const json::value& head : data.at("heads").as_array()) {
    RegisterId reg;
    reg.field = kFields.at(Text(head.at(0)));
    if (reg.field == Field::kDoc) {
      reg.name_space = Text(head.at(1));
    } else {
      reg.item = ParseItem(head.at(1));
    }
    reg.key = Text(head.at(2));
    token.heads.emplace_back(std::move(reg), ParseDot(head.at(3)));
  }
  std::sort(token.heads.begin(), token.heads.end());
  return token;
}

json::array HlcJson(Hlc hlc) {
  return {static_cast<std::int64_t>(hlc.milliseconds()),
          static_cast<std::int64_t>(hlc.counter())};
}

json::object EntryJson(const Entry& entry) {
  json::array effects;
  for (const Effect& effect : entry.effects) {
    effects.push_back(std::visit(EffectJson(), effect));
  }
  return {{"dot", entry.dot.ToText()},
          {"context", FrontierJson(entry.context)},
          {"hlc", HlcJson(entry.hlc)},
          {"cause", entry.cause},
          {"effects", effects}};
}

json::object RowJson(const Row& row) {
  json::object out{{"kind", KindText(row.kind)}};
  if (!row.items.empty()) {
    json::array items;
    for (const ItemId& item : row.items) items.emplace_back(item.ToText());
    out["items"] = std::move(items);
  }
  if (!row.siblings.empty()) {
    out["payload"] = row.shown_sibling().payload();
    out["dot"] = row.shown_sibling().head.order.dot().ToText();
  }
  if (row.siblings.size() > 1) {
    json::array siblings;
    for (const Sibling& sibling : row.siblings) {
      siblings.push_back(
          json::array{OwnerText(sibling.reg), sibling.head.order.dot().ToText(),
                      sibling.payload(), sibling.head.generation});
    }
    out["siblings"] = std::move(siblings);
    out["conflict"] = row.conflict();
  }
  if (!row.attrs.empty()) out["attrs"] = AttrsJson(row.attrs);
  if (row.revived) out["revived"] = true;
  return out;
}

json::object FrontierJson(const VersionVector& frontier) {
  json::object out;
  for (const VersionVector::Slot& slot : frontier.slots()) {
    out[slot.origin.ToHex()] = static_cast<std::int64_t>(slot.counter);
  }
  return out;
}

json::array HeadsJson(const CausalState::Snapshot& snapshot) {
  using Key = std::vector<std::string>;
  std::map<Key, json::object> rows;
  for (const auto& [reg, head] : snapshot.heads) {
    rows.emplace(Key{FieldText(reg.field), OwnerText(reg), reg.key,
                     head.order.dot().ToText()},
                 HeadJson(reg, head));
  }
  json::array out;
  for (auto& [key, row] : rows) out.push_back(std::move(row));
  return out;
}

}  // namespace syncline::testing
