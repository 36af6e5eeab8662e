// Sets up a run before it begins.
#include <algorithm>

#include "engine/trading_loop.hpp"

namespace onetape {

TradingLoop::TradingLoop(const LoopOptions& options, std::shared_ptr<ExchangePort> exchange)
    : options_(options),
      exchange_(std::move(exchange)),
      report_currencies_{options.report_currency},
      robot_account_(options.account),
      foreign_(options.account) {
    exchange_->bind(*this);
    orders_.begin_after(exchange_->seats().order_base);
}

TradingLoop::~TradingLoop() = default;

Instrument& TradingLoop::add_instrument(std::string symbol, const InstrumentSpec& spec,
                                        std::uint32_t settle, std::uint32_t base) {
    auto added = std::make_shared<Instrument>();
    added->index = static_cast<std::uint32_t>(instruments_.size());
    added->symbol = std::move(symbol);
    added->robot_tag = options_.robot_tag;
    added->settle = settle;
    added->base = base;
    for (int i = 0; i < spec.price_decimals; ++i) added->price_scale *= 10.0;
    for (int i = 0; i < spec.size_decimals; ++i) added->size_scale *= 10.0;
    instruments_.push_back(std::move(added));
    widen_samples();
    Instrument& instrument = *instruments_.back();
    update_instrument(instrument.index, spec);
    return instrument;
}

bool TradingLoop::update_instrument(std::uint32_t index, const InstrumentSpec& spec) {
    Instrument& instrument = *instruments_[index];
    if (instrument.is_listed && (instrument.spec.price_decimals != spec.price_decimals ||
                                 instrument.spec.size_decimals != spec.size_decimals))
        return false;
    instrument.is_listed = true;
    instrument.spec = spec;
    instrument.view.book = &instrument.book;
    exchange_->set_instrument(instrument);
    for (std::size_t scan = 0; scan < scans_.size(); ++scan) scan_instrument(scan, instrument);
    with_reserves_anew(instrument, [&] {
        robot_account_.set_instrument(index, spec, instrument.settle, instrument.base);
    });
    foreign_.set_instrument(index, spec, instrument.settle, instrument.base);
    return true;
}

void TradingLoop::set_terms(std::uint32_t index, const InstrumentTerms& terms) {
    Instrument& instrument = *instruments_[index];
    instrument.funding_interval = terms.funding_interval;
    robot_account_.set_terms(index, terms);
    const InstrumentSpec* const tier = exchange_->set_terms(instrument, terms);
    if (tier == nullptr) return;
    // A fee schedule that a new version did not change continues, in the exchange and in the
    // robot's account.
    with_reserves_anew(instrument, [&] {
        instrument.spec.maker_fee = tier->maker_fee;
        instrument.spec.taker_fee = tier->taker_fee;
        robot_account_.set_fees(index, tier->maker_fee, tier->taker_fee);
    });
}

void TradingLoop::set_rules(const VenueRules& rules) {
    exchange_->set_rules(rules);
    for (std::size_t i = 0; i < rules.currencies.size(); ++i)
        currency_names_[static_cast<std::uint32_t>(i)] = rules.currencies[i];
    for (const BorrowRate& borrow : rules.borrow) {
        robot_account_.set_borrow(borrow.currency, borrow.rate);
        borrows_[borrow.currency] = borrow;
    }
}

std::uint32_t TradingLoop::add_source(Reader* reader) {
    Source source;
    source.reader = reader;
    source.is_gateways = sources_.size() < exchange_->seats().robots.size();
    sources_.push_back(std::move(source));
    return static_cast<std::uint32_t>(sources_.size() - 1);
}

void TradingLoop::map_stream(std::uint32_t source, std::uint32_t stream, std::int64_t index) {
    auto& streams = sources_[source].streams;
    if (streams.size() <= stream) streams.resize(stream + 1, nullptr);
    Instrument* const mapped =
        index < 0 ? nullptr : instruments_[static_cast<std::size_t>(index)].get();
    streams[stream] = mapped;
    if (mapped && sources_[source].is_gateways && !mapped->is_traded()) mapped->gateway = source;
}

void TradingLoop::share_stream(std::uint32_t source, std::uint32_t stream, std::uint32_t of,
                               std::uint32_t index) {
    auto& further = sources_[source].further;
    if (further.size() <= stream) further.resize(stream + 1);
    Instrument* const added = instruments_[index].get();
    if (std::find(further[stream].begin(), further[stream].end(), added) != further[stream].end())
        return;
    further[stream].push_back(added);
    exchange_->share_market(*added, *instruments_[of]);
}

void TradingLoop::deposit(std::uint32_t currency, Money amount) {
    exchange_->deposit(currency, amount);
    robot_account_.deposit(currency, amount);
    foreign_.deposit(currency, amount);
}

}  // namespace onetape
