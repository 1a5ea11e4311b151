#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "catalog.hpp"

namespace gpuwarden::sandbox {

/// Why a request is refused; status 0 = it is not.
struct Refusal {
  int status{0};
  std::string detail;
  std::vector<std::string> errors{};
  explicit operator bool() const { return status != 0; }
};

/// Whether Runpod accepts this body of a create: first the shape (422, every violation), then the rules
/// across fields and against the catalogue (400, 404), then whether there is anything to rent (400).
Refusal check_create(const nlohmann::json& body, const SoldOut& sold_out);

/// Data centre that the pod of a valid request goes to; empty = none of the allowed ones has stock.
std::string place(const nlohmann::json& body, const SoldOut& sold_out);

/// The only template of the stand-in.
inline constexpr std::string_view kTemplateId = "tplsandbox";

}  // namespace gpuwarden::sandbox
