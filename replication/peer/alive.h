#pragma once

#include <memory>
#include <utility>

namespace syncline {

// Lets an object that lives on one loop hand out callbacks that do nothing
// once it is gone. Declare it last, so that it dies first.
class Alive {
 public:
  Alive() = default;
  Alive(const Alive&) = delete;
  Alive& operator=(const Alive&) = delete;

  // `function`, for as long as this lives. To be called on the same loop.
  template <typename Function>
  auto Guard(Function function) const {
    return [token = std::weak_ptr<char>(token_),
            function = std::move(function)](auto&&... args) mutable {
      if (!token.expired()) function(std::forward<decltype(args)>(args)...);
    };
  }

 private:
  std::shared_ptr<char> token_ = std::make_shared<char>();
};

}  // namespace syncline
