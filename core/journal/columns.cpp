#include "journal/columns.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "journal/events.hpp"

namespace onetape {

bool Column::reserve(std::size_t rows) noexcept {
    auto* grown = static_cast<std::byte*>(std::realloc(data_, rows * width_));
    if (grown == nullptr) return false;
    data_ = grown;
    return true;
}

bool Columns::make_room() noexcept {
    // Grows by half: reserved memory that is not written takes none, but growth may need a copy.
    const std::size_t wanted = std::max<std::size_t>(1024, capacity_ + capacity_ / 2);
    for (Column& column : columns_)
        if (!column.reserve(wanted)) return false;
    capacity_ = wanted;
    return true;
}

// --- frames of one type -------------------------------------------------------------------------

FrameColumns::FrameColumns(FrameColumnsSpec spec) : spec_(std::move(spec)) {
    for (const FieldPlace& field : spec_.fields) columns_.add(field.bytes);
}

namespace {

std::uint64_t value_at(const std::byte* frame, const FieldPlace& field) noexcept {
    std::uint64_t value = 0;
    std::memcpy(&value, frame + field.offset, std::min<std::size_t>(field.bytes, sizeof value));
    return value;
}

}  // namespace

bool FrameColumns::take(const Frame& frame) noexcept {
    if (frame.payload_bytes < spec_.payload_bytes) return true;
    const auto* const from = reinterpret_cast<const std::byte*>(frame.header);
    for (const auto& [field, value] : spec_.where)
        if (value_at(from, field) != value) return true;
    if (!columns_.grow()) return false;
    const std::size_t row = columns_.rows() - 1;
    for (std::size_t i = 0; i < spec_.fields.size(); ++i) {
        const FieldPlace& field = spec_.fields[i];
        std::byte* const to = columns_[i].at(row);
        // The usual widths as constants, so that a copy is a load and a store.
        switch (field.bytes) {
            case 1:
                std::memcpy(to, from + field.offset, 1);
                break;
            case 4:
                std::memcpy(to, from + field.offset, 4);
                break;
            case 8:
                std::memcpy(to, from + field.offset, 8);
                break;
            default:
                std::memcpy(to, from + field.offset, field.bytes);
        }
    }
    return true;
}

// --- orders -------------------------------------------------------------------------------------

OrderRows::OrderRows() : columns_{8, 4, 1, 1, 8, 8, 8, 8, 8, 8, 8, 1, 4} {}

bool OrderRows::take(const Frame& frame) noexcept {
    switch (frame.type()) {
        case EventType::order_request:
            return request(frame);
        case EventType::order_event:
            news(frame);
            return true;
        default:
            return true;
    }
}

bool OrderRows::request(const Frame& frame) noexcept {
    if (frame.payload_bytes < sizeof(OrderRequestPayload)) return true;
    const auto& request = frame.as<OrderRequestPayload>();
    if (request.kind != RequestKind::place) return true;
    if (!columns_.grow()) return false;
    const std::size_t row = columns_.rows() - 1;
    columns_.cell<std::uint64_t>(id, row) = request.order_id;
    columns_.cell<std::uint32_t>(stream, row) = frame.header->stream;
    columns_.cell<Side>(side, row) = request.side;
    columns_.cell<OrderType>(type, row) = request.type;
    columns_.cell<std::int64_t>(price, row) = request.price;
    columns_.cell<std::int64_t>(size, row) = request.size;
    columns_.cell<std::int64_t>(trigger, row) = request.trigger;
    columns_.cell<std::int64_t>(requested, row) = frame.header->time;
    columns_.cell<std::int64_t>(answer, row) = never;
    columns_.cell<std::int64_t>(done, row) = never;
    columns_.cell<std::int64_t>(placed, row) = never;
    columns_.cell<OrderEnd>(end, row) = OrderEnd::none;
    columns_.cell<std::uint32_t>(tag, row) = word(request.tag);
    return true;
}

void OrderRows::news(const Frame& frame) noexcept {
    if (frame.payload_bytes < sizeof(OrderEventPayload)) return;
    const auto& event = frame.as<OrderEventPayload>();
    const std::size_t row = find(event.order_id);
    if (row == absent) return;
    const std::int64_t now = frame.header->time;
    if ((frame.header->flags & order_never_left) != 0) {  // never sent: there is no answer
        columns_.cell<OrderEnd>(end, row) = OrderEnd::denied;
        return;
    }
    auto& first = columns_.cell<std::int64_t>(answer, row);
    if (first == never) first = now;
    OrderEnd how = OrderEnd::none;
    switch (event.news) {
        case OrderNews::accepted:
            break;
        case OrderNews::updated:
            columns_.cell<std::int64_t>(size, row) = event.size;
            break;
        case OrderNews::triggered:
            break;
        case OrderNews::canceled:
            how = OrderEnd::canceled;
            break;
        case OrderNews::expired:
            how = OrderEnd::expired;
            break;
        case OrderNews::rejected:
            how = OrderEnd::rejected;
            break;
        case OrderNews::denied:
            how = OrderEnd::denied;
            break;
        default:
            return;
    }
    auto& ended = columns_.cell<OrderEnd>(end, row);
    ended = std::max(ended, how);
    if (how == OrderEnd::none) columns_.cell<std::int64_t>(placed, row) = event.ts_event;
    auto& last = columns_.cell<std::int64_t>(done, row);
    if ((how != OrderEnd::none || event.news == OrderNews::triggered) && last == never) last = now;
}

// Ordinals of one robot ascend, mostly by one: tries the next row first, else searches.
std::size_t OrderRows::find(std::uint64_t order_id) noexcept {
    const std::size_t rows = columns_.rows();
    if (rows == 0) return absent;
    const auto* const ids = reinterpret_cast<const std::uint64_t*>(columns_[id].at(0));
    if (order_id < ids[0] || order_id > ids[rows - 1]) return absent;
    const std::uint64_t guess = order_id - ids[0];
    if (guess < rows && ids[guess] == order_id) return static_cast<std::size_t>(guess);
    const auto* const found = std::lower_bound(ids, ids + rows, order_id);
    return *found == order_id ? static_cast<std::size_t>(found - ids) : absent;
}

std::uint32_t OrderRows::word(const char* tag_bytes) {
    const std::string_view padded_text(tag_bytes, sizeof(OrderRequestPayload::tag));
    if (padded_text == last_tag_) return last_word_;
    last_tag_ = padded_text;
    const auto [found, is_new] =
        numbers_.try_emplace(last_tag_, static_cast<std::uint32_t>(words_.size()));
    // For text of zeros only, find_last_not_of gives npos, and npos + 1 is 0.
    if (is_new) words_.emplace_back(padded_text.substr(0, padded_text.find_last_not_of('\0') + 1));
    return last_word_ = found->second;
}

// --- the walk -----------------------------------------------------------------------------------

Status ColumnPass::read(Reader& reader, std::size_t frames_max, std::int64_t time_until) noexcept {
    Frame frame;
    for (std::size_t passed = 0; passed < frames_max; ++passed) {
        if (const Status status = reader.next(frame); status != Status::ok) return status;
        if (frame.header->time >= time_until) continue;
        for (FrameColumns& table : tables)
            if (frame.header->type == table.type() && !table.take(frame)) return Status::exhausted;
        for (OrderRows& each : orders)
            if (!each.take(frame)) return Status::exhausted;
    }
    return Status::ok;
}

}  // namespace onetape
