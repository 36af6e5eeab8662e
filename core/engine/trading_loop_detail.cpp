// Detail data, which only the exchange sees, and the use of the robot's bars in its holes.
#include "engine/trading_loop.hpp"

namespace onetape {

void TradingLoop::use_detail(std::uint32_t index) {
    Instrument& instrument = *instruments_[index];
    if (instrument.detail) return;
    instrument.detail = std::make_unique<DetailMarket>();
    exchange_->set_view(instrument);
}

// Shown to the exchange alone. Reports that it causes reach the robot as usual.
bool TradingLoop::take_detail(Source& source) {
    const Frame& frame = source.frame;
    Instrument* instrument = instrument_of(source, frame.header->stream);
    if (!instrument) return true;
    if (!fits(frame)) return false;
    show_detail(*instrument, frame);
    const std::int64_t time = frame.header->time;
    return next_due_ > time || drain(time);
}

void TradingLoop::show_detail(Instrument& instrument, const Frame& frame) {
    DetailMarket& detail = *instrument.detail;
    MarketView& view = detail.view;
    const std::int64_t received = frame.header->time;
    const std::int64_t time = exchange_->take_detail(instrument, frame);
    auto change = MarketChange::value;
    switch (frame.type()) {
        case EventType::quote:
            view.set_quote(frame.as<QuotePayload>());
            detail.note(received, 0, 0, false);
            change = MarketChange::quote;
            break;
        case EventType::trade:
            view.trade = frame.as<TradePayload>();
            view.has_trade = true;
            ++view.version;
            detail.note(received, view.trade.price, view.trade.price, true);
            change = MarketChange::trade;
            break;
        case EventType::book:
            view.keep_mid();
            detail.book.apply(
                frame.as<BookPayload>(), frame.header->flags,
                reinterpret_cast<const BookLevel*>(frame.payload + sizeof(BookPayload)));
            ++view.version;
            detail.note(received, 0, 0, false);
            change = MarketChange::book;
            break;
        case EventType::mbo:
            view.keep_mid();
            if (!detail.orders) {
                detail.orders = std::make_unique<MboBook>(detail.book);
                view.orders = detail.orders.get();
                exchange_->begin_orders(instrument);
            }
            ++view.version;
            detail.note(received, 0, 0, false);
            exchange_->show_order(instrument,
                                  detail.orders->apply(frame.as<MboPayload>(), frame.header->flags),
                                  time);
            break;
        case EventType::bar:
            view.set_bar(frame.as<BarPayload>());
            detail.note(view.bar);
            change = MarketChange::bar;
            break;
        default:  // marks, funding and liquidations come from the main data
            return;
    }
    ++counters_.detail_events;
    if (!instrument.interest->none()) exchange_->show(instrument, change, time);
}

// A bar of an instrument with detail data: the exchange uses it where the data has a hole.
void TradingLoop::check_detail(Instrument& instrument, std::int64_t time) {
    DetailMarket& detail = *instrument.detail;
    const BarPayload& bar = instrument.view.bar;
    if (!detail.shortest(bar)) return;
    const DetailMarket::Cover cover = detail.cover(bar);
    if (cover == DetailMarket::Cover::partial && started_) ++counters_.detail_incomplete;
    if (cover != DetailMarket::Cover::none) return;
    if (started_) ++counters_.detail_holes;
    detail.show_bar(bar);
    exchange_->show(instrument, MarketChange::hole, time);
}

}  // namespace onetape
