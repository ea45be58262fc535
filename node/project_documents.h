#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "node/project.h"
#include "node/types.h"

namespace syncline {

// Values under (namespace, key), replicated without a place in the tree: JSON
// or any bytes. A namespace has no '/'; that of the project's settings, `sys`,
// can be read only. kInvalidArgument: beyond DocumentLimits.
class Project::Documents : private Project {
 public:
  explicit Documents(const Project& project) : Project(project) {}

  // The shown value, or that of a sibling's `version`.
  //   kNotFound  no such document, or none of that version
  template <typename Token>
  auto AsyncGet(std::string name_space, std::string key,
                std::optional<Dot> version, Token&& token) const {
    return Async(GetOf(std::move(name_space), std::move(key), version),
                 std::forward<Token>(token));
  }
  absl::StatusOr<DocumentInfo> Get(
      std::string name_space, std::string key,
      std::optional<Dot> version = std::nullopt) const {
    return Block(GetOf(std::move(name_space), std::move(key), version));
  }

  // A page of about 1 MiB.
  template <typename Token>
  auto AsyncList(DocumentQuery query, Token&& token) const {
    return Async(ListOf(std::move(query)), std::forward<Token>(token));
  }
  absl::StatusOr<DocumentList> List(DocumentQuery query = {}) const {
    return Block(ListOf(std::move(query)));
  }

  // Writes it; nothing: removes it.
  //   kFailedPrecondition  DocumentPut::if_match does not hold
  //   kNotFound            nothing to be removed, or to be resolved
  //   kPermissionDenied    in `sys`
  template <typename Token>
  auto AsyncPut(std::string name_space, std::string key,
                std::optional<std::string> value, DocumentPut how,
                Token&& token) const {
    return Async(
        PutOf(std::move(name_space), std::move(key), std::move(value), how),
        std::forward<Token>(token));
  }
  absl::StatusOr<Written> Put(std::string name_space, std::string key,
                              std::optional<std::string> value,
                              DocumentPut how = {}) const {
    return Block(
        PutOf(std::move(name_space), std::move(key), std::move(value), how));
  }

 private:
  Starter<absl::StatusOr<DocumentInfo>> GetOf(std::string name_space,
                                              std::string key,
                                              std::optional<Dot> version) const;
  Starter<absl::StatusOr<DocumentList>> ListOf(DocumentQuery query) const;
  Starter<absl::StatusOr<Written>> PutOf(std::string name_space,
                                         std::string key,
                                         std::optional<std::string> value,
                                         DocumentPut how) const;
};

}  // namespace syncline
