#include "gpuwarden/ports/evidence_json.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <utility>

#include <nlohmann/json.hpp>

#include "gpuwarden/base/format.hpp"

#include "evidence_bound.hpp"

namespace gpuwarden::ports {
namespace {

using nlohmann::json;

std::string dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

/// Text as PostgreSQL's jsonb takes it (no NUL), at most `max` bytes, cut in the middle.
std::string text_of(std::string_view text, std::size_t max) {
  std::string out = cut_middle(text, max);
  std::replace(out.begin(), out.end(), '\0', ' ');
  return out;
}

void put(json& object, const char* key, const std::string& value, std::size_t max) {
  if (!value.empty()) object[key] = text_of(value, max);
}
template <class T>
void put(json& object, const char* key, const std::optional<T>& value) {
  if (value) object[key] = *value;
}

/// Everything but the tails, each text at most `max` bytes and each list at most `max` / 16 entries.
json body_of(const Evidence& evidence, std::size_t max) {
  json doc = json::object();
  put(doc, "worker", evidence.worker, max);
  put(doc, "phase", evidence.phase, max);
  put(doc, "step", evidence.step, max);
  put(doc, "channel", evidence.channel, max);
  put(doc, "exit_code", evidence.exit_code);
  put(doc, "signal", evidence.signal, max);
  put(doc, "heartbeat_age_s", evidence.heartbeat_age_s);
  if (evidence.task) {
    json& task = doc["task"] = json::object();
    put(task, "id", evidence.task->id, max);
    put(task, "attempts", evidence.task->attempts);
  }
  if (evidence.pod) {
    json& pod = doc["pod"] = json::object();
    put(pod, "status", evidence.pod->status, max);
    put(pod, "uptime_s", evidence.pod->uptime_s);
    put(pod, "gpu", evidence.pod->gpu, max);
    put(pod, "data_center", evidence.pod->data_center, max);
    put(pod, "image", evidence.pod->image, max);
    put(pod, "cost_per_hr", evidence.pod->cost_per_hr);
  }
  if (evidence.api) {
    json& api = doc["api"] = json::object();
    put(api, "service", evidence.api->service, max);
    put(api, "status", evidence.api->status);
    put(api, "detail", evidence.api->detail, max);
  }
  const std::size_t entries = max / 16;
  for (const auto& [name, text] : evidence.probe) {
    if (doc["probe"].size() >= entries) break;
    doc["probe"][text_of(name, max)] = text_of(text, max);
  }
  for (const std::string& line : evidence.missing) {
    if (doc["missing"].size() >= entries) break;
    doc["missing"].push_back(text_of(line, max));
  }
  return doc;
}

json tails_of(const Evidence& evidence, std::size_t max_bytes) {
  std::vector<std::pair<std::string, std::vector<SizedLine>>> tails;
  std::vector<std::size_t> sizes;
  for (const auto& [name, lines] : evidence.tails) {
    std::vector<SizedLine> sized;
    std::size_t bytes = name.size() * 6 + 8;
    for (const std::string& line : lines) {
      SizedLine entry;
      entry.text = text_of(line, kMaxLineBytes);
      entry.bytes = dump(json(entry.text)).size() + 1;
      bytes += entry.bytes;
      sized.push_back(std::move(entry));
    }
    sizes.push_back(bytes);
    tails.emplace_back(name, std::move(sized));
  }
  const std::vector<std::size_t> shares = share_out(sizes, max_bytes);
  json out = json::object();
  for (std::size_t i = 0; i < tails.size(); ++i) {
    auto& [name, lines] = tails[i];
    out[text_of(name, 64)] = sizes[i] <= shares[i] ? texts_of(lines) : keep_ends(lines, shares[i]);
  }
  return out;
}

// Reading: whatever has another type than expected counts as absent.

const json* member(const json& object, const char* key) {
  if (!object.is_object()) return nullptr;
  const auto found = object.find(key);
  return found == object.end() || found->is_null() ? nullptr : &*found;
}

std::string text_at(const json& object, const char* key) {
  const json* value = member(object, key);
  if (value == nullptr) return {};
  return value->is_string() ? value->get<std::string>() : dump(*value);
}

std::optional<double> number_at(const json& object, const char* key) {
  const json* value = member(object, key);
  if (value == nullptr || !value->is_number()) return std::nullopt;
  return value->get<double>();
}

std::optional<int> int_at(const json& object, const char* key) {
  const auto number = number_at(object, key);
  if (!number || *number < std::numeric_limits<int>::min() || *number > std::numeric_limits<int>::max()) {
    return std::nullopt;
  }
  return static_cast<int>(*number);
}

std::vector<std::string> lines_at(const json& value) {
  std::vector<std::string> lines;
  if (value.is_string()) {
    const std::string text = value.get<std::string>();
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      lines.push_back(text.substr(at, end - at));
      at = end + 1;
    }
  } else if (value.is_array()) {
    for (const json& line : value) lines.push_back(line.is_string() ? line.get<std::string>() : dump(line));
  }
  return lines;
}

}  // namespace

std::string evidence_to_json(const Evidence& evidence, std::size_t max_bytes) {
  // Tails carry most of what diagnosis reads, so everything else gives way until half is left for them.
  constexpr std::array<std::size_t, 5> kTextCaps{16'384, 4096, 1024, 256, 64};
  constexpr std::size_t kTailsKey = sizeof(R"(,"tails":)");
  const std::size_t whole_tails = dump(tails_of(evidence, std::numeric_limits<std::size_t>::max())).size();
  for (const std::size_t cap : kTextCaps) {
    json doc = body_of(evidence, cap);
    const std::size_t used = dump(doc).size() + kTailsKey;
    const bool crowded = used > max_bytes / 2 && used + whole_tails > max_bytes;
    if (crowded && cap != kTextCaps.back()) continue;
    if (used > max_bytes) break;
    if (!evidence.tails.empty()) doc["tails"] = tails_of(evidence, max_bytes - used);
    std::string text = dump(doc);
    if (text.size() <= max_bytes) return text;
  }
  return "{}";
}

Result<Evidence> evidence_from_json(std::string_view text) {
  json doc = json::parse(text, nullptr, false);
  if (doc.is_discarded()) doc = json::parse(printable(text), nullptr, false);
  if (!doc.is_object()) return fail(ErrorKind::malformed, "evidence is not a JSON object");
  Evidence evidence;
  evidence.worker = text_at(doc, "worker");
  evidence.phase = text_at(doc, "phase");
  evidence.step = text_at(doc, "step");
  evidence.channel = text_at(doc, "channel");
  evidence.exit_code = int_at(doc, "exit_code");
  if (const auto number = int_at(doc, "signal")) {
    evidence.signal = signal_name(*number);
  } else {
    evidence.signal = signal_name(text_at(doc, "signal"));
  }
  evidence.heartbeat_age_s = number_at(doc, "heartbeat_age_s");
  if (const json* task = member(doc, "task"); task != nullptr && task->is_object()) {
    evidence.task.emplace();
    evidence.task->id = text_at(*task, "id");
    evidence.task->attempts = int_at(*task, "attempts");
  }
  if (const json* pod = member(doc, "pod"); pod != nullptr && pod->is_object()) {
    evidence.pod.emplace();
    evidence.pod->status = text_at(*pod, "status");
    evidence.pod->gpu = text_at(*pod, "gpu");
    evidence.pod->data_center = text_at(*pod, "data_center");
    evidence.pod->image = text_at(*pod, "image");
    evidence.pod->uptime_s = number_at(*pod, "uptime_s");
    evidence.pod->cost_per_hr = number_at(*pod, "cost_per_hr");
  }
  if (const json* api = member(doc, "api"); api != nullptr && api->is_object()) {
    evidence.api.emplace();
    evidence.api->service = text_at(*api, "service");
    evidence.api->status = int_at(*api, "status");
    evidence.api->detail = text_at(*api, "detail");
  }
  if (const json* tails = member(doc, "tails"); tails != nullptr && tails->is_object()) {
    for (const auto& [name, lines] : tails->items()) evidence.tails[name] = lines_at(lines);
  }
  if (const json* probe = member(doc, "probe"); probe != nullptr && probe->is_object()) {
    for (const auto& [name, value] : probe->items()) evidence.probe[name] = text_at(*probe, name.c_str());
  }
  if (const json* missing = member(doc, "missing")) evidence.missing = lines_at(*missing);
  return evidence;
}

}  // namespace gpuwarden::ports
