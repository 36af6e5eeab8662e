// No message makes the reader look beyond it, learned or not, and what was learned is read.
#include <string>
#include <vector>

#include "fuzz/input.hpp"
#include "text/shape_reader.hpp"

using namespace onetape;

namespace {

std::vector<Shape> shapes() {
    Shape quote;
    quote.constants = {{"e", "\"q\""}};
    quote.roles = {{"s", ShapeRole::symbol, ShapeForm::text},
                   {"b", ShapeRole::bid, ShapeForm::text},
                   {"a", ShapeRole::ask, ShapeForm::bare}};
    Shape trade;
    trade.event = ShapeEvent::trade;
    trade.time = ShapeTime::iso;
    trade.rows = "d";
    trade.roles = {{"d.s", ShapeRole::symbol, ShapeForm::text},
                   {"d.p", ShapeRole::price, ShapeForm::bare},
                   {"d.i", ShapeRole::id, ShapeForm::bare},
                   {"d.m", ShapeRole::side, ShapeForm::bare},
                   {"d.t", ShapeRole::time, ShapeForm::text}};
    trade.buy = "false";
    trade.sell = "true";
    Shape book;
    book.event = ShapeEvent::book;
    book.roles = {{"s", ShapeRole::symbol, ShapeForm::text},
                  {"b", ShapeRole::bids, ShapeForm::levels},
                  {"a", ShapeRole::asks, ShapeForm::levels},
                  {"u", ShapeRole::id, ShapeForm::bare}};
    return {quote, trade, book};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static std::vector<ShapeFrame> frames;
    ShapeReader reader(shapes(), {{"X", 1, 2, 3}});
    const auto feed = [&](const std::string& message) {
        if (reader.read(message, 1, frames)) {
            fuzz::require(!frames.empty());
        } else {
            fuzz::require(frames.empty());
            if (reader.learn(message)) fuzz::require(reader.read(message, 1, frames));
        }
    };
    feed(R"({"e":"q","s":"X","b":"10.25","a":10.30})");
    feed(R"({"d":[{"s":"X","p":1.5,"i":7,"m":true,"t":"2026-11-20T00:00:00Z"}]})");
    feed(R"({"s":"X","u":7,"b":[["1.5","2"],["1.25","0.001"]],"a":[]})");
    // On the heap, each as long as it is: one byte more is found.
    const std::string whole(reinterpret_cast<const char*>(data), size);
    std::size_t from = 0;
    while (from <= whole.size()) {
        const std::size_t line = whole.find('\n', from);
        const std::size_t until = line == std::string::npos ? whole.size() : line;
        std::string message = whole.substr(from, until - from);
        message.shrink_to_fit();
        feed(message);
        from = until + 1;
    }
    return 0;
}
