"""Which paths of Binance USD-M's documentation the simulated one serves, and that its page names the others."""

from __future__ import annotations

from pathlib import Path

PAGE = Path(__file__).parents[3] / "docs" / "concepts" / "simulated-exchanges.md"
# As binance-connector-python names them, usds_futures 17.2.0 of August 2026.
DOCUMENTED = """
GET /fapi/v1/accountConfig, GET /fapi/v1/adlQuantile, GET /fapi/v1/aggTrades, DELETE /fapi/v1/algoOpenOrders
DELETE|GET|POST /fapi/v1/algoOrder, GET /fapi/v1/allAlgoOrders, DELETE /fapi/v1/allOpenOrders
GET /fapi/v1/allOrders, GET /fapi/v1/apiTradingStatus, GET /fapi/v1/assetIndex
DELETE|POST|PUT /fapi/v1/batchOrders, GET /fapi/v1/commissionRate, GET /fapi/v1/constituents
GET /fapi/v1/continuousKlines, POST /fapi/v1/convert/acceptQuote, GET /fapi/v1/convert/exchangeInfo
POST /fapi/v1/convert/getQuote, GET /fapi/v1/convert/orderStatus, POST /fapi/v1/countdownCancelAll
GET /fapi/v1/depth, GET /fapi/v1/exchangeInfo, GET|POST /fapi/v1/feeBurn, GET /fapi/v1/forceOrders
GET /fapi/v1/fundingInfo, GET /fapi/v1/fundingRate, GET /fapi/v1/historicalTrades, GET /fapi/v1/income
GET /fapi/v1/income/asyn, GET /fapi/v1/income/asyn/id, GET /fapi/v1/indexInfo, GET /fapi/v1/indexPriceKlines
GET /fapi/v1/insuranceBalance, GET /fapi/v1/klines, POST /fapi/v1/leverage, GET /fapi/v1/leverageBracket
DELETE|POST|PUT /fapi/v1/listenKey, POST /fapi/v1/marginType, GET /fapi/v1/markPriceKlines
GET|POST /fapi/v1/multiAssetsMargin, GET /fapi/v1/openAlgoOrders, GET /fapi/v1/openInterest, GET /fapi/v1/openOrder
GET /fapi/v1/openOrders, DELETE|GET|POST|PUT /fapi/v1/order, GET /fapi/v1/order/asyn, GET /fapi/v1/order/asyn/id
POST /fapi/v1/order/test, GET /fapi/v1/orderAmendment, GET /fapi/v1/ping, GET /fapi/v1/pmAccountInfo
POST /fapi/v1/positionMargin, GET /fapi/v1/positionMargin/history, GET|POST /fapi/v1/positionSide/dual
GET /fapi/v1/premiumIndex, GET /fapi/v1/premiumIndexKlines, GET /fapi/v1/rateLimit/order, GET /fapi/v1/rpiDepth
POST /fapi/v1/stock/contract, GET /fapi/v1/symbolAdlRisk, GET /fapi/v1/symbolConfig, GET /fapi/v1/ticker/24hr
GET /fapi/v1/ticker/bookTicker, GET /fapi/v1/ticker/price, GET /fapi/v1/time, GET /fapi/v1/trade/asyn
GET /fapi/v1/trade/asyn/id, GET /fapi/v1/trades, GET /fapi/v1/tradingSchedule, GET /fapi/v1/userTrades
GET /fapi/v2/account, GET /fapi/v2/balance, GET /fapi/v2/positionRisk, GET /fapi/v2/ticker/price
GET /fapi/v3/account, GET /fapi/v3/balance, GET /fapi/v3/positionRisk, GET /futures/data/basis
GET /futures/data/delivery-price, GET /futures/data/globalLongShortAccountRatio, GET /futures/data/openInterestHist
GET /futures/data/takerlongshortRatio, GET /futures/data/topLongShortAccountRatio
GET /futures/data/topLongShortPositionRatio
"""


def requests() -> list[tuple[str, str]]:
    found = []
    for each in DOCUMENTED.replace("\n", ", ").split(", "):
        if each:
            methods, path = each.split()
            found += [(method, path) for method in methods.split("|")]
    return found


def test_what_is_not_served_is_named_on_its_page(client):
    absent = set()
    for method, path in requests():
        answer = client.ask(method, path)[1]
        if isinstance(answer, dict) and answer.get("code") == -5000:
            absent.add(path)
    paragraph = PAGE.read_text().partition("**Not there yet**")[2].partition("\n## ")[0]
    named = {word.strip("`,.();") for word in paragraph.split()}
    assert absent - named == set()
    assert {word for word in named if word.startswith(("/fapi/", "/futures/data/"))} == absent
