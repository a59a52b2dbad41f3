// JSON as it goes to files, pipes and terminals. Its strings may quote what anybody wrote, which need not be UTF-8 and must
// not end the program that reports it.
#pragma once

#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "base/printable.hpp"

namespace attn::bench {

using Json = nlohmann::ordered_json;  // keys stay in the order that they were written in

// What is wrong with a text that should have been JSON, without the library's name for it.
inline std::string json_fault(const std::exception& error) {
  const std::string what = error.what();
  const std::size_t end = what.rfind("[json.exception.", 0) == 0 ? what.find("] ") : std::string::npos;
  return end == std::string::npos ? what : what.substr(end + 2);
}

// A path, which may be any bytes, through a protocol of JSON: a string where it is UTF-8, else the array of its bytes.
inline Json path_to_json(const std::string& path) {
  return is_utf8(path) ? Json(path) : Json(std::vector<unsigned char>(path.begin(), path.end()));
}
inline std::string path_from_json(const Json& json) {
  if (json.is_string()) return json.get<std::string>();
  const auto bytes = json.get<std::vector<unsigned char>>();
  return {bytes.begin(), bytes.end()};
}

// In lines with indentation, or as the single line of a protocol; bytes that are not UTF-8 become U+FFFD.
inline std::string json_text(const Json& json) {
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}
inline std::string json_line(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace attn::bench
