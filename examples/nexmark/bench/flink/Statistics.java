import java.time.LocalDate;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.api.java.tuple.Tuple6;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.util.Collector;

/** q15, q16 and q17: figures of a day. */
final class Statistics {
    private static final long DAY = 86_400_000, MINUTE = 60_000;

    private Statistics() {}

    private static String day(long number) {
        return LocalDate.ofEpochDay(number).toString();
    }

    /** In which of four counts a price is: in all, and in one of three ranks. A bit for each. */
    private static byte ranks(long price) {
        return (byte) (price < 10_000 ? 0b0011 : price < 1_000_000 ? 0b0101 : 0b1001);
    }

    private static void count(long[] counts, int from, int ranks) {
        for (int place = 0; place < 4; place++) counts[from + place] += ranks >> place & 1;
    }

    private static String json(String what, long[] counts, int from) {
        return ",\"total_" + what + "\":" + counts[from] + ",\"rank1_" + what + "\":" + counts[from + 1] + ",\"rank2_"
            + what + "\":" + counts[from + 2] + ",\"rank3_" + what + "\":" + counts[from + 3];
    }

    /** Bids, bidders and auctions, by rank. */
    public static final class Figures {
        public long[] counts = new long[12];
        /** The last with a bid. */
        public int minute;
        /** In which ranks each bidder and each auction has been counted. */
        public Map<Long, Byte> bidders = new HashMap<>(), auctions = new HashMap<>();

        static final TypeInformation<Figures> TYPE = Types.POJO(Figures.class, Map.of(
            "counts", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO, "minute", Types.INT,
            "bidders", Types.MAP(Types.LONG, Types.BYTE), "auctions", Types.MAP(Types.LONG, Types.BYTE)));

        void add(long bidder, long auction, byte ranks) {
            count(counts, 0, ranks);
            count(counts, 4, added(bidders, bidder, ranks));
            count(counts, 8, added(auctions, auction, ranks));
        }

        /** Those that are new. */
        private static int added(Map<Long, Byte> seen, Long of, byte ranks) {
            Byte before = seen.get(of);
            if (before == null) {
                seen.put(of, ranks);
                return ranks;
            }
            int added = ranks & ~before;
            if (added != 0) seen.put(of, (byte) (before | ranks));
            return added;
        }

        String json() {
            return Statistics.json("bids", counts, 0) + Statistics.json("bidders", counts, 4)
                + Statistics.json("auctions", counts, 8) + "}";
        }
    }

    record Q15(long day, Figures figures) implements Tally.Row {
        @Override
        public String json() {
            return "{\"day\":\"" + Statistics.day(day) + "\"" + figures.json();
        }
    }

    static DataStream<Tally.Row> q15(DataStream<Events.Event> events) {
        return events.<Tuple4<Long, Long, Long, Byte>>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) {
                out.collect(Tuple4.of(bid.at / DAY, bid.bidder, bid.auction, ranks(bid.price)));
            }
        }).returns(Types.TUPLE(Types.LONG, Types.LONG, Types.LONG, Types.BYTE))
            .keyBy(figure -> figure.f0, Types.LONG)
            .process(new OfDays(), NexmarkBench.ROW);
    }

    private static final class OfDays extends AtTheEnd<Long, Tuple4<Long, Long, Long, Byte>, Figures> {
        OfDays() {
            super(Figures.TYPE);
        }

        @Override
        Figures add(Figures kept, Tuple4<Long, Long, Long, Byte> figure) {
            Figures figures = kept == null ? new Figures() : kept;
            figures.add(figure.f1, figure.f2, figure.f3);
            return figures;
        }

        @Override
        void rows(Long day, Figures kept, Collector<Tally.Row> out) {
            out.collect(new Q15(day, kept));
        }
    }

    record Q16(String channel, long day, Figures figures) implements Tally.Row {
        @Override
        public String json() {
            int minute = figures.minute;
            return "{\"channel\":\"" + channel + "\",\"day\":\"" + Statistics.day(day) + "\",\"minute\":\""
                + String.format("%02d:%02d", minute / 60, minute % 60) + "\"" + figures.json();
        }
    }

    static DataStream<Tally.Row> q16(DataStream<Events.Event> events) {
        return events.<Tuple6<String, Long, Integer, Long, Long, Byte>>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) {
                int minute = (int) (bid.at % DAY / MINUTE);
                out.collect(
                    Tuple6.of(bid.channel, bid.at / DAY, minute, bid.bidder, bid.auction, ranks(bid.price)));
            }
        }).returns(Types.TUPLE(Types.STRING, Types.LONG, Types.INT, Types.LONG, Types.LONG, Types.BYTE))
            .keyBy(figure -> Tuple2.of(figure.f0, figure.f1), Types.TUPLE(Types.STRING, Types.LONG))
            .process(new OfChannels(), NexmarkBench.ROW);
    }

    private static final class OfChannels
        extends AtTheEnd<Tuple2<String, Long>, Tuple6<String, Long, Integer, Long, Long, Byte>, Figures> {
        OfChannels() {
            super(Figures.TYPE);
        }

        @Override
        Figures add(Figures kept, Tuple6<String, Long, Integer, Long, Long, Byte> figure) {
            Figures figures = kept == null ? new Figures() : kept;
            figures.minute = Math.max(figures.minute, figure.f2);
            figures.add(figure.f3, figure.f4, figure.f5);
            return figures;
        }

        @Override
        void rows(Tuple2<String, Long> of, Figures kept, Collector<Tally.Row> out) {
            out.collect(new Q16(of.f0, of.f1, kept));
        }
    }

    /** Of an auction's prices. */
    public static final class Prices {
        public long[] counts = new long[4];
        public long min = Long.MAX_VALUE, max, sum;

        static final TypeInformation<Prices> TYPE = Types.POJO(Prices.class, Map.of(
            "counts", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO, "min", Types.LONG, "max", Types.LONG,
            "sum", Types.LONG));
    }

    record Q17(long auction, long day, Prices prices) implements Tally.Row {
        @Override
        public String json() {
            long average = prices.sum / prices.counts[0];
            return "{\"auction\":" + auction + ",\"day\":\"" + Statistics.day(day) + "\""
                + Statistics.json("bids", prices.counts, 0) + ",\"min_price\":" + prices.min + ",\"max_price\":"
                + prices.max + ",\"avg_price\":" + average + ",\"sum_price\":" + prices.sum + "}";
        }
    }

    /** Where the day stands in a key: below the auction. One number is hashed and compared faster than a tuple. */
    private static final int DAYS = 20;

    static DataStream<Tally.Row> q17(DataStream<Events.Event> events) {
        return events.<Tuple2<Long, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(Tuple2.of(bid.auction << DAYS | bid.at / DAY, bid.price));
        }).returns(NexmarkBench.PAIR)
            .keyBy(bid -> bid.f0, Types.LONG)
            .process(new OfAuctions(), NexmarkBench.ROW);
    }

    private static final class OfAuctions extends AtTheEnd<Long, Tuple2<Long, Long>, Prices> {
        OfAuctions() {
            super(Prices.TYPE);
        }

        @Override
        Prices add(Prices kept, Tuple2<Long, Long> bid) {
            Prices prices = kept == null ? new Prices() : kept;
            long price = bid.f1;
            count(prices.counts, 0, ranks(price));
            prices.min = Math.min(prices.min, price);
            prices.max = Math.max(prices.max, price);
            prices.sum += price;
            return prices;
        }

        @Override
        void rows(Long of, Prices kept, Collector<Tally.Row> out) {
            out.collect(new Q17(of >> DAYS, of & (1L << DAYS) - 1, kept));
        }
    }
}
