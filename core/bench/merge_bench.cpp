// Measures how many updates of several sources are merged per second: the decisions alone, and from
// journals to a journal.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "journal/reader.hpp"
#include "journal/writer.hpp"
#include "market/merge.hpp"

using namespace onetape;

namespace {

constexpr std::uint32_t sources = 10, symbols = 1000;
constexpr std::int64_t t0 = 1'767'225'600'000'000'000;

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

struct Update {
    std::uint32_t source, symbol;
    bool is_trade;
    QuotePayload quote;
    TradePayload trade;
};

// Every source brings every message, each a little later than the one before it; every fifth is a
// trade. Prices walk.
std::vector<Update> updates(std::size_t count) {
    std::vector<Update> made;
    made.reserve(count);
    std::vector<std::int64_t> price(symbols, 60'000);
    std::uint64_t random = 88172645463325252ull;
    for (std::uint64_t message = 0; made.size() < count; ++message) {
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        const auto symbol = static_cast<std::uint32_t>(random % symbols);
        price[symbol] += static_cast<std::int64_t>(random >> 32 & 3) - 1;
        for (std::uint32_t source = 0; source < sources && made.size() < count; ++source) {
            Update update{};
            update.source = source;
            update.symbol = symbol;
            update.is_trade = message % 5 == 0;
            const std::int64_t event = t0 + static_cast<std::int64_t>(message) * 1000;
            const std::int64_t receipt = event + 50'000 + source * 10;
            update.quote = {event, receipt, price[symbol], price[symbol] + 1, 5, 5, message + 1, 0};
            update.trade.ts_event = event, update.trade.ts_recv = receipt;
            update.trade.price = price[symbol], update.trade.size = 3;
            update.trade.id_low = message + 1, update.trade.id_kind = IdKind::integer;
            made.push_back(update);
        }
    }
    return made;
}

double in_memory(const std::vector<Update>& list, bool filters, std::uint64_t& taken) {
    MergeOptions options;
    options.filters = filters;
    Merge merge(options);
    for (std::uint32_t source = 0; source < sources; ++source) merge.add_source(source);
    for (std::uint32_t symbol = 0; symbol < symbols; ++symbol) merge.add_symbol();
    taken = 0;
    const double began = now();
    for (const Update& each : list) {
        const Merged outcome =
            each.is_trade
                ? merge.on_trade(each.source, each.symbol, each.trade.ts_recv, each.trade)
                : merge.on_quote(each.source, each.symbol, each.quote.ts_recv, each.quote);
        taken += outcome == Merged::taken;
    }
    return static_cast<double>(list.size()) / (now() - began);
}

void check(const Failure& failure) {
    if (failure.ok()) return;
    std::fprintf(stderr, "%s\n", failure.what.c_str());
    std::exit(1);
}

double journals(const std::vector<Update>& list, const std::string& folder, bool filters) {
    std::filesystem::create_directories(folder);
    std::vector<std::unique_ptr<Writer>> writers(sources + 1);
    for (std::uint32_t each = 0; each <= sources; ++each) {
        WriterOptions options;
        options.directory = folder + "/" + std::to_string(each);
        options.uuid[0] = static_cast<std::uint8_t>(each + 1);
        options.durable = false;
        check(Writer::open(options, writers[each]));
    }
    for (const Update& each : list) {
        Writer& to = *writers[each.source + 1];
        const Status status = each.is_trade
                                  ? to.append(EventType::trade, 0, each.symbol + 1,
                                              each.trade.ts_recv, &each.trade, sizeof each.trade)
                                  : to.append(EventType::quote, 0, each.symbol + 1,
                                              each.quote.ts_recv, &each.quote, sizeof each.quote);
        if (status != Status::ok) std::exit(1);
    }
    // The writers' preparing threads are no part of the hub.
    for (std::uint32_t source = 1; source <= sources; ++source) check(writers[source]->close());
    MergeOptions options;
    options.filters = filters;
    Merge merge(options);
    MergeFeeds feeds(merge, *writers[0]);
    std::vector<std::unique_ptr<Reader>> readers(sources);
    for (std::uint32_t symbol = 0; symbol < symbols; ++symbol) merge.add_symbol();
    for (std::uint32_t source = 0; source < sources; ++source) {
        merge.add_source(source);
        check(Reader::open({folder + "/" + std::to_string(source + 1), {}}, readers[source]));
        feeds.follow(source, readers[source].get());
        for (std::uint32_t symbol = 0; symbol < symbols; ++symbol)
            feeds.map(source, symbol + 1, symbol);
    }
    const double began = now();
    while (feeds.take(1u << 16) == MergeFeeds::Stop::at_most) {
    }
    return static_cast<double>(list.size()) / (now() - began);
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) return 2;
    const std::string folder = argv[1];
    const auto count = static_cast<std::size_t>(std::atoll(argv[2]));
    const int rounds = std::atoi(argv[3]);
    const std::vector<Update> list = updates(count);
    double bare = 0, filtered = 0, tapes = 0;
    std::uint64_t taken = 0;
    for (int round = 0; round < rounds; ++round) {
        bare = std::max(bare, in_memory(list, false, taken));
        filtered = std::max(filtered, in_memory(list, true, taken));
        tapes = std::max(tapes, journals(list, folder + "/" + std::to_string(round), true));
    }
    std::printf(
        "{\"merged_per_second\": %.0f, \"filtered_per_second\": %.0f, \"journals_per_second\": "
        "%.0f, \"taken\": %llu}\n",
        bare, filtered, tapes, static_cast<unsigned long long>(taken));
}
