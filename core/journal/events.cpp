#include "journal/events.hpp"

#include <array>

namespace onetape {
namespace {

constexpr const char* sides = "none,buy,sell";
constexpr const char* id_kinds = "none,integer,text,uuid";
constexpr const char* position_sides = "both,long,short";
constexpr const char* states =
    ",INITIALIZED,SUBMITTED,ACCEPTED,PARTIALLY_FILLED,FILLED,PENDING_CANCEL,CANCELED,"
    "PENDING_UPDATE,REJECTED,DENIED,EXPIRED,TRIGGERED,UNKNOWN";

#define FIELD(payload, member, kind, names)                                      \
    FieldSpec {                                                                  \
        #member, kind, sizeof(payload::member), offsetof(payload, member), names \
    }

constexpr std::array quote_fields{
    FIELD(QuotePayload, ts_event, 't', nullptr),  FIELD(QuotePayload, ts_recv, 't', nullptr),
    FIELD(QuotePayload, bid, 'p', nullptr),       FIELD(QuotePayload, ask, 'p', nullptr),
    FIELD(QuotePayload, bid_size, 's', nullptr),  FIELD(QuotePayload, ask_size, 's', nullptr),
    FIELD(QuotePayload, update_id, 'u', nullptr), FIELD(QuotePayload, reserved, 'x', nullptr)};
constexpr std::array trade_fields{
    FIELD(TradePayload, ts_event, 't', nullptr), FIELD(TradePayload, ts_recv, 't', nullptr),
    FIELD(TradePayload, price, 'p', nullptr),    FIELD(TradePayload, size, 's', nullptr),
    FIELD(TradePayload, id_low, 'u', nullptr),   FIELD(TradePayload, id_high, 'u', nullptr),
    FIELD(TradePayload, side, 'e', sides),       FIELD(TradePayload, id_kind, 'e', id_kinds),
    FIELD(TradePayload, reserved, 'x', nullptr)};
constexpr std::array book_fields{
    FIELD(BookPayload, ts_event, 't', nullptr),    FIELD(BookPayload, ts_recv, 't', nullptr),
    FIELD(BookPayload, first_id, 'u', nullptr),    FIELD(BookPayload, last_id, 'u', nullptr),
    FIELD(BookPayload, previous_id, 'u', nullptr), FIELD(BookPayload, bid_count, 'u', nullptr),
    FIELD(BookPayload, ask_count, 'u', nullptr)};
// The layout of a bar except for its last word.
template <class Payload>
constexpr auto fields_of_bar(FieldSpec last) {
    return std::array{FIELD(Payload, ts_open, 't', nullptr),
                      FIELD(Payload, ts_close, 't', nullptr),
                      FIELD(Payload, period_ns, 'i', nullptr),
                      FIELD(Payload, open, 'p', nullptr),
                      FIELD(Payload, high, 'p', nullptr),
                      FIELD(Payload, low, 'p', nullptr),
                      FIELD(Payload, close, 'p', nullptr),
                      FIELD(Payload, volume, 's', nullptr),
                      FieldSpec{"turnover", 'i', 16, offsetof(Payload, turnover_low), nullptr},
                      FIELD(Payload, trades, 'i', nullptr),
                      last};
}
constexpr auto bar_fields = fields_of_bar<BarPayload>(FIELD(BarPayload, reserved, 'x', nullptr));
constexpr auto history_fields =
    fields_of_bar<HistoryPayload>(FIELD(HistoryPayload, last_trade, 'u', nullptr));
constexpr std::array mark_fields{
    FIELD(MarkPayload, ts_event, 't', nullptr), FIELD(MarkPayload, ts_recv, 't', nullptr),
    FIELD(MarkPayload, mark, 'p', nullptr), FIELD(MarkPayload, index, 'p', nullptr)};
constexpr std::array funding_fields{
    FIELD(FundingPayload, ts_event, 't', nullptr), FIELD(FundingPayload, ts_recv, 't', nullptr),
    FIELD(FundingPayload, rate, 'r', nullptr), FIELD(FundingPayload, mark, 'p', nullptr),
    FIELD(FundingPayload, interval_ns, 'i', nullptr)};
constexpr std::array liquidation_fields{FIELD(LiquidationPayload, ts_event, 't', nullptr),
                                        FIELD(LiquidationPayload, ts_recv, 't', nullptr),
                                        FIELD(LiquidationPayload, price, 'p', nullptr),
                                        FIELD(LiquidationPayload, size, 's', nullptr),
                                        FIELD(LiquidationPayload, side, 'e', sides),
                                        FIELD(LiquidationPayload, reserved, 'x', nullptr)};
constexpr std::array open_interest_fields{FIELD(OpenInterestPayload, ts_event, 't', nullptr),
                                          FIELD(OpenInterestPayload, ts_recv, 't', nullptr),
                                          FIELD(OpenInterestPayload, size, 's', nullptr)};
constexpr std::array funding_rate_fields{FIELD(FundingRatePayload, ts_event, 't', nullptr),
                                         FIELD(FundingRatePayload, ts_recv, 't', nullptr),
                                         FIELD(FundingRatePayload, rate, 'r', nullptr),
                                         FIELD(FundingRatePayload, predicted, 'r', nullptr),
                                         FIELD(FundingRatePayload, next_ns, 't', nullptr),
                                         FIELD(FundingRatePayload, has_predicted, 'u', nullptr),
                                         FIELD(FundingRatePayload, reserved, 'x', nullptr)};
constexpr std::array order_request_fields{
    FIELD(OrderRequestPayload, order_id, 'u', nullptr),
    FIELD(OrderRequestPayload, price, 'p', nullptr),
    FIELD(OrderRequestPayload, size, 's', nullptr),
    FIELD(OrderRequestPayload, trigger, 'p', nullptr),
    FIELD(OrderRequestPayload, expire_ns, 't', nullptr),
    FIELD(OrderRequestPayload, kind, 'e', ",place,cancel,amend"),
    FIELD(OrderRequestPayload, side, 'e', sides),
    FIELD(OrderRequestPayload, type, 'e', ",limit,market"),
    FIELD(OrderRequestPayload, tif, 'e', ",GTC,IOC,FOK,GTD"),
    FIELD(OrderRequestPayload, flags, 'u', nullptr),
    FIELD(OrderRequestPayload, trigger_by, 'e', "none,last,mark,index"),
    FIELD(OrderRequestPayload, position_side, 'e', position_sides),
    FIELD(OrderRequestPayload, robot, 'u', nullptr),
    FIELD(OrderRequestPayload, tag, 'c', nullptr),
    FieldSpec{"more", 'k', 0, sizeof(OrderRequestPayload), nullptr}};
constexpr std::array order_event_fields{
    FIELD(OrderEventPayload, order_id, 'u', nullptr),
    FIELD(OrderEventPayload, venue_id, 'u', nullptr),
    FIELD(OrderEventPayload, ts_event, 't', nullptr),
    FIELD(OrderEventPayload, price, 'p', nullptr),
    FIELD(OrderEventPayload, size, 's', nullptr),
    FIELD(OrderEventPayload, filled, 's', nullptr),
    FIELD(OrderEventPayload, code, 'u', nullptr),
    FIELD(OrderEventPayload, news, 'e',
          ",accepted,rejected,canceled,expired,triggered,updated,cancel_rejected,update_rejected,"
          "denied,lost,found,absent"),
    FIELD(OrderEventPayload, state, 'e', states),
    FIELD(OrderEventPayload, robot, 'u', nullptr),
    FIELD(OrderEventPayload, reserved, 'x', nullptr),
    FIELD(OrderEventPayload, cause, 'u', nullptr),
    FieldSpec{"more", 'k', 0, sizeof(OrderEventPayload), nullptr}};
constexpr std::array fill_fields{FIELD(FillPayload, order_id, 'u', nullptr),
                                 FIELD(FillPayload, venue_id, 'u', nullptr),
                                 FIELD(FillPayload, trade_id, 'u', nullptr),
                                 FIELD(FillPayload, ts_event, 't', nullptr),
                                 FIELD(FillPayload, price, 'p', nullptr),
                                 FIELD(FillPayload, size, 's', nullptr),
                                 FieldSpec{"fee", 'm', 16, offsetof(FillPayload, fee_low), nullptr},
                                 FIELD(FillPayload, side, 'e', sides),
                                 FIELD(FillPayload, liquidity, 'e', "none,maker,taker"),
                                 FIELD(FillPayload, position_side, 'e', position_sides),
                                 FIELD(FillPayload, robot, 'u', nullptr),
                                 FIELD(FillPayload, fee_currency, 'u', nullptr),
                                 FIELD(FillPayload, cause, 'u', nullptr)};
constexpr std::array timer_fields{FIELD(TimerPayload, due, 't', nullptr),
                                  FIELD(TimerPayload, id, 'u', nullptr),
                                  FIELD(TimerPayload, missed, 'u', nullptr)};
constexpr std::array input_fields{FIELD(InputPayload, source, 'c', nullptr),
                                  FIELD(InputPayload, epoch, 'u', nullptr),
                                  FIELD(InputPayload, first_sequence, 'u', nullptr),
                                  FIELD(InputPayload, count, 'u', nullptr),
                                  FIELD(InputPayload, crc, 'u', nullptr),
                                  FIELD(InputPayload, robot, 'u', nullptr)};
constexpr std::array mbo_fields{FIELD(MboPayload, ts_event, 't', nullptr),
                                FIELD(MboPayload, ts_recv, 't', nullptr),
                                FIELD(MboPayload, order_id, 'u', nullptr),
                                FIELD(MboPayload, price, 'p', nullptr),
                                FIELD(MboPayload, size, 's', nullptr),
                                FIELD(MboPayload, action, 'e', ",add,modify,cancel,fill,clear"),
                                FIELD(MboPayload, side, 'e', sides),
                                FIELD(MboPayload, last, 'u', nullptr),
                                FIELD(MboPayload, reported, 'u', nullptr),
                                FIELD(MboPayload, reserved, 'x', nullptr)};
#undef FIELD

constexpr EventSpec cold(EventType type, const char* name) {
    return {type, name, false, 0, {}, nullptr};
}

const std::array<EventSpec, event_type_count> specs{{
    cold(EventType::instrument, "instrument"),
    {EventType::quote, "quote", true, sizeof(QuotePayload), quote_fields, nullptr},
    {EventType::trade, "trade", true, sizeof(TradePayload), trade_fields, nullptr},
    {EventType::book, "book", true, sizeof(BookPayload), book_fields, "bids,asks"},
    {EventType::bar, "bar", true, sizeof(BarPayload), bar_fields, nullptr},
    {EventType::mark, "mark", true, sizeof(MarkPayload), mark_fields, nullptr},
    {EventType::funding, "funding", true, sizeof(FundingPayload), funding_fields, nullptr},
    {EventType::liquidation, "liquidation", true, sizeof(LiquidationPayload), liquidation_fields,
     nullptr},
    {EventType::order_request, "order_request", true, sizeof(OrderRequestPayload),
     order_request_fields, nullptr},
    {EventType::order_event, "order_event", true, sizeof(OrderEventPayload), order_event_fields,
     nullptr},
    {EventType::fill, "fill", true, sizeof(FillPayload), fill_fields, nullptr},
    cold(EventType::balance, "balance"),
    cold(EventType::position, "position"),
    cold(EventType::transfer, "transfer"),
    {EventType::timer, "timer", true, sizeof(TimerPayload), timer_fields, nullptr},
    cold(EventType::command, "command"),
    cold(EventType::reply, "reply"),
    cold(EventType::alert, "alert"),
    cold(EventType::health, "health"),
    cold(EventType::external, "external"),
    cold(EventType::params, "params"),
    {EventType::input, "input", true, sizeof(InputPayload), input_fields, nullptr},
    cold(EventType::log, "log"),
    cold(EventType::memory, "memory"),
    {EventType::mbo, "mbo", true, sizeof(MboPayload), mbo_fields, nullptr},
    cold(EventType::entry, "entry"),
    cold(EventType::signal, "signal"),
    cold(EventType::target, "target"),
    cold(EventType::cycle, "cycle"),
    {EventType::history, "history", true, sizeof(HistoryPayload), history_fields, nullptr},
    {EventType::open_interest, "open_interest", true, sizeof(OpenInterestPayload),
     open_interest_fields, nullptr},
    {EventType::funding_rate, "funding_rate", true, sizeof(FundingRatePayload), funding_rate_fields,
     nullptr},
    cold(EventType::plot, "plot"),
}};

}  // namespace

std::span<const EventSpec> event_specs() noexcept {
    return specs;
}

}  // namespace onetape
