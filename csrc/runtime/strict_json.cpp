#include "strict_json.h"

#include <cstring>
#include <unordered_set>
#include <vector>

namespace emoface::runtime {
namespace {

// Builds the value from the parser's events. The library's own builder looks every key up among those before it, which
// takes the square of their number, and lets the last of two equal keys win.
class Builder final : public nlohmann::json_sax<Json> {
public:
    Builder(Json& root, int deepest) : root_(root), deepest_(size_t(deepest)) {}

    bool null() override { return place(nullptr); }
    bool boolean(bool value) override { return place(value); }
    bool number_integer(number_integer_t value) override { return place(value); }
    bool number_unsigned(number_unsigned_t value) override { return place(value); }
    bool number_float(number_float_t value, const string_t&) override { return place(value); }
    bool string(string_t& value) override { return place(std::move(value)); }
    bool binary(binary_t&) override { return false; }
    bool start_object(size_t) override { return open(Json::object()); }
    bool start_array(size_t) override { return open(Json::array()); }
    bool end_object() override { return close(); }
    bool end_array() override { return close(); }
    bool key(string_t& key) override {
        if (!open_.back().keys.insert(key).second) throw JsonFault("a key twice in one object");
        // Appended as to the vector that it is.
        auto& object = open_.back().value->get_ref<Json::object_t&>();
        object.emplace_back(std::move(key), Json());
        member_ = &object.back().second;
        return true;
    }
    bool parse_error(size_t, const std::string&, const nlohmann::detail::exception& error) override {
        // It quotes what it read: bytes of any kind.
        std::string text = std::string(error.what()).substr(0, 160);
        for (char& letter : text)
            if (letter < 32 || letter > 126) letter = '?';
        throw JsonFault(text);
    }

private:
    struct Open {
        Json* value;
        std::unordered_set<std::string> keys;
    };
    Json* put(Json value) {
        if (open_.empty()) {
            root_ = std::move(value);
            return &root_;
        }
        Json& parent = *open_.back().value;
        if (!parent.is_array()) {
            *member_ = std::move(value);
            return member_;
        }
        parent.push_back(std::move(value));
        return &parent.back();
    }
    template <class Value> bool place(Value&& value) {
        put(Json(std::forward<Value>(value)));
        return true;
    }
    bool open(Json value) {
        if (open_.size() == deepest_) throw JsonFault("more than " + std::to_string(deepest_) + " levels");
        open_.push_back({put(std::move(value)), {}});
        return true;
    }
    bool close() {
        open_.pop_back();
        return true;
    }
    Json& root_;
    size_t deepest_;
    Json* member_ = nullptr;
    std::vector<Open> open_;
};

}  // namespace

Json parse_object(const uint8_t* text, size_t size, int deepest) {
    // The library skips a byte order mark; JSON has none.
    if (size > 0 && text[0] == 0xEF) throw JsonFault("a byte order mark");
    // It also takes a NUL for the end of the text.
    if (size > 0 && std::memchr(text, 0, size) != nullptr) throw JsonFault("a NUL");
    Json root;
    Builder builder(root, deepest);
    Json::sax_parse(text, text + size, &builder);
    if (!root.is_object()) throw JsonFault(std::string(root.type_name()) + " instead of an object");
    return root;
}

std::string shown(const Json& value) {
    if (value.is_structured()) return std::string(value.is_array() ? "a list" : "an object");
    const std::string text = value.dump(-1, ' ', true, Json::error_handler_t::replace);
    return text.size() <= 80 ? text : text.substr(0, 80) + "...";
}

}  // namespace emoface::runtime
