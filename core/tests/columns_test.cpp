#include "journal/columns.hpp"

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <memory>

#include "doctest.h"
#include "journal/events.hpp"
#include "journal/writer.hpp"

using namespace onetape;
namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t first_id = 10, orders = 5000;

// Two orders per step, each with a tag of its parity; every third is amended, then all are
// canceled, the last of them under an unknown id.
fs::path made_journal() {
    std::string name = (fs::temp_directory_path() / "columns-test-XXXXXX").string();
    const fs::path folder = ::mkdtemp(name.data());
    WriterOptions options;
    options.directory = (folder / "j").string();
    options.uuid[0] = 7;
    options.segment_bytes_first = options.segment_bytes_max = 64u << 10;
    options.durable = false;
    std::unique_ptr<Writer> writer;
    REQUIRE(Writer::open(options, writer).ok());
    std::int64_t now = 0;
    const auto append = [&](EventType type, const auto& payload) {
        REQUIRE(writer->append(type, 0, 1, ++now, &payload, sizeof payload) == Status::ok);
    };
    for (std::uint64_t i = 0; i < orders; ++i) {
        OrderRequestPayload request{};
        request.kind = RequestKind::place;
        request.order_id = first_id + 2 * i;
        request.price = static_cast<std::int64_t>(100 + i);
        request.size = 3;
        std::strcpy(request.tag, i % 2 == 0 ? "even" : "odd");
        append(EventType::order_request, request);
    }
    for (std::uint64_t i = 0; i <= orders; ++i) {
        OrderEventPayload event{};
        event.order_id = first_id + 2 * i;
        event.ts_event = static_cast<std::int64_t>(i);
        event.size = 9;
        event.news = OrderNews::updated;
        if (i % 3 == 0) append(EventType::order_event, event);
        event.news = OrderNews::canceled;
        append(EventType::order_event, event);
        event.news = OrderNews::expired;
        event.order_id += 1;
        append(EventType::order_event, event);
    }
    return folder;
}

Status read_all(ColumnPass& pass, const fs::path& folder, std::size_t frames_max) {
    std::unique_ptr<Reader> reader;
    REQUIRE(Reader::open({(folder / "j").string(), {}}, reader).ok());
    Status status = Status::ok;
    while (status == Status::ok) status = pass.read(*reader, frames_max, INT64_MAX);
    return status;
}

}  // namespace

TEST_CASE("a walk folds news into the rows of their orders and passes the others over") {
    const fs::path folder = made_journal();
    ColumnPass pass;
    pass.orders.emplace_back();
    FrameColumnsSpec spec;
    spec.type = static_cast<std::uint16_t>(EventType::order_event);
    spec.payload_bytes = sizeof(OrderEventPayload);
    spec.fields = {{frame_header_bytes, 8}, {16, 8}};
    spec.where = {{{frame_header_bytes + offsetof(OrderEventPayload, news), 1},
                   static_cast<std::uint64_t>(OrderNews::expired)}};
    pass.tables.emplace_back(spec);
    CHECK(read_all(pass, folder, 777) == Status::not_found);

    Columns& expired = pass.tables[0].columns();
    REQUIRE(expired.rows() == orders + 1);
    CHECK(expired.cell<std::uint64_t>(0, orders) == first_id + 2 * orders + 1);

    OrderRows& rows = pass.orders[0];
    Columns& columns = rows.columns();
    REQUIRE(columns.rows() == orders);
    REQUIRE(rows.words() == std::vector<std::string>{"even", "odd"});
    bool right = true;
    for (std::size_t i = 0; i < orders; ++i) {
        const bool amended = i % 3 == 0;
        right = right && columns.cell<std::uint64_t>(OrderRows::id, i) == first_id + 2 * i &&
                columns.cell<std::int64_t>(OrderRows::size, i) == (amended ? 9 : 3) &&
                columns.cell<std::int64_t>(OrderRows::placed, i) ==
                    (amended ? static_cast<std::int64_t>(i) : OrderRows::never) &&
                columns.cell<OrderEnd>(OrderRows::end, i) == OrderEnd::canceled &&
                columns.cell<std::int64_t>(OrderRows::done, i) >
                    columns.cell<std::int64_t>(OrderRows::requested, i) &&
                columns.cell<std::uint32_t>(OrderRows::tag, i) == i % 2;
    }
    CHECK(right);
    std::byte* const released = columns[OrderRows::id].release();
    CHECK(reinterpret_cast<const std::uint64_t*>(released)[orders - 1] ==
          first_id + 2 * (orders - 1));
    std::free(released);
    fs::remove_all(folder);
}
