#pragma once
// Reads rows of hftbacktest's event arrays (its types.rs and py types, 2.x, read 2026-11): 64 bytes
// each,
//
//      0: ev u64   8: exch_ts i64   16: local_ts i64   24: px f64   32: qty f64
//     40: order_id u64   48: ival i64   56: fval f64
//
// ev is a kind in its low byte and flags: bit 31 exchange, 30 local, 29 buy, 28 sell. The local
// rows, in their order, are the received events; rows for the exchange alone repeat them.
//
// Rows of orders (kinds 10 to 13) become mbo events. A fill there only reports: a cancel or modify
// of the order follows (as in its exchange model, read 2026-11, which keeps the order after a
// fill). Rows with the same two times are one message; adds in the message of a clear are a
// snapshot.
#include <cstdint>
#include <string>
#include <vector>

#include "text/table.hpp"

namespace onetape {

struct HftRow {
    std::uint64_t ev;
    std::int64_t exch_ts, local_ts;
    double px, qty;
    std::uint64_t order_id;
    std::int64_t ival;
    double fval;
};
static_assert(sizeof(HftRow) == 64);

class HftDecoder final : public RowDecoder {
 public:
    HftDecoder(int stream, std::uint32_t source, bool measuring, TableStreams& streams,
               RejectLog& rejects, NameCounts& passed_over, RowGate* gate, RowSorter* sorter);

    Status feed(const char* data, std::size_t size) override;
    Status finish() override;

 private:
    enum class Batch : std::uint8_t { none, change, snapshot, top, orders };

    bool row(const HftRow& row);
    bool trade(const HftRow& row, Side side);
    bool level(const HftRow& row, Side side, Batch kind);
    bool order(const HftRow& row, Side side);
    bool begin_orders(std::int64_t exch, std::int64_t local);
    bool send_order(bool last);
    bool send_clear();
    bool flush();
    bool numbers(const HftRow& row, std::int64_t& price, std::int64_t& size);
    bool fit(double value, int& scale, Quantity quantity, std::int64_t& units);
    bool hand_on(EventRow& out, std::span<const BookLevel> levels = {});
    bool refuse(std::string reason) {
        reason_ = std::move(reason);
        return false;
    }

    TableStreams& streams_;
    RejectLog& rejects_;
    NameCounts& passed_over_;
    RowOutlet outlet_;
    int stream_;
    std::uint32_t source_;
    bool measuring_;
    std::string carry_;  // of a row that the chunk's end cut
    std::uint64_t number_ = 0;
    Batch batch_ = Batch::none;
    std::int64_t batch_local_ = 0, batch_exch_ = 0;
    std::uint64_t batch_line_ = 0;
    std::vector<BookLevel> bids_, asks_;
    bool clears_bids_ = false, clears_asks_ = false;
    MboPayload held_{};  // of a batch of orders: sent once it is known whether more follows
    bool in_snapshot_ = false, orders_seen_ = false;
    bool goes_on_ = false;  // the batch before was cut: this is the rest of its snapshot
    int price_scale_ = 0, size_scale_ = 0;
    std::int64_t order_ = 0;
    std::string reason_;
    Status status_ = Status::ok;
};

}  // namespace onetape
