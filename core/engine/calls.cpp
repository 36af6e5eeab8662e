#include "engine/calls.hpp"

#include <utility>

namespace onetape {

namespace {
constexpr std::size_t head_bytes = sizeof(std::uint64_t) + sizeof(std::uint32_t) + sizeof(CallKind);
}

void call_facts::put(std::string& to, const OrderSpec& spec) {
    put(to, spec.side);
    put(to, spec.type);
    put(to, spec.tif);
    put(to, spec.trigger_by);
    put(to, spec.position_side);
    put(to, spec.flags);
    put(to, spec.price);
    put(to, spec.size);
    put(to, spec.trigger);
    put(to, spec.expire_ns);
    put(to, spec.tag);
    put(to, spec.more);
}

void CallLog::check() {
    if (!expected_.empty()) {
        if (expected_.starts_with(bytes_))
            expected_.remove_prefix(bytes_.size());
        else
            has_differed_ = true;
    }
    bytes_.clear();
}

bool CallLog::differs(std::uint64_t callbacks) const {
    if (has_differed_ || expected_.size() < head_bytes) return has_differed_;
    std::uint64_t next = 0;
    std::memcpy(&next, expected_.data(), sizeof next);
    return next <= callbacks;
}

std::string_view CallFacts::text() {
    const auto size = number<std::uint32_t>();
    if (rest_.size() < size) {
        whole_ = false;
        return {};
    }
    const std::string_view found = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return found;
}

std::vector<BookLevel> CallFacts::levels() {
    const std::string_view bytes = text();
    std::vector<BookLevel> found(bytes.size() / sizeof(BookLevel));
    if (!found.empty()) std::memcpy(found.data(), bytes.data(), found.size() * sizeof(BookLevel));
    return found;
}

OrderSpec CallFacts::order() {
    OrderSpec spec;
    spec.side = number<Side>();
    spec.type = number<OrderType>();
    spec.tif = number<TimeInForce>();
    spec.trigger_by = number<TriggerBy>();
    spec.position_side = number<PositionSide>();
    spec.flags = number<std::uint8_t>();
    spec.price = number<std::int64_t>();
    spec.size = number<std::int64_t>();
    spec.trigger = number<std::int64_t>();
    spec.expire_ns = number<std::int64_t>();
    spec.tag = text();
    spec.more = text();
    return spec;
}

void CallReader::next() {
    rest_.remove_prefix(head_bytes + facts_.size());
    load();
}

void CallReader::load() {
    at_end_ = true;
    if (rest_.size() < head_bytes) return;
    std::uint32_t size = 0;
    std::memcpy(&callback_, rest_.data(), sizeof callback_);
    std::memcpy(&size, rest_.data() + sizeof callback_, sizeof size);
    if (rest_.size() - head_bytes < size) return;
    std::memcpy(&kind_, rest_.data() + sizeof callback_ + sizeof size, sizeof kind_);
    facts_ = rest_.substr(head_bytes, size);
    at_end_ = false;
}

}  // namespace onetape
