import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple7;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.util.Collector;

/** q0, q1, q2, q14, q21 and q22: a bid is all that they look at, so they are one chain with the source. And whole bids. */
final class Bids {
    private static final long HOUR = 3_600_000;

    private Bids() {}

    interface EachBid extends java.io.Serializable {
        void take(Events.Bid bid, Collector<Tally.Row> out);
    }

    private static DataStream<Tally.Row> each(DataStream<Events.Event> events, EachBid each) {
        return events.<Tally.Row>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) each.take(bid, out);
        }).returns(NexmarkBench.ROW);
    }

    /** Exact thousandths, as a text. */
    private static String decimal(long thousandths) {
        return String.format("\"%d.%03d\"", thousandths / 1000, thousandths % 1000);
    }

    private static String bid(long auction, long bidder, String price, long at, String extra) {
        return "{\"auction\":" + auction + ",\"bidder\":" + bidder + ",\"price\":" + price + ",\"dateTime\":" + at
            + ",\"extra\":\"" + extra + "\"}";
    }

    record Q0(long auction, long bidder, long price, long at, String extra) implements Tally.Row {
        @Override
        public String json() {
            return bid(auction, bidder, Long.toString(price), at, extra);
        }
    }

    static DataStream<Tally.Row> q0(DataStream<Events.Event> events) {
        return each(events, (bid, out) -> out.collect(
            new Q0(bid.auction, bid.bidder, bid.price, bid.at, bid.extra)));
    }

    /** The price in thousandths of euros. */
    record Q1(long auction, long bidder, long price, long at, String extra) implements Tally.Row {
        @Override
        public String json() {
            return bid(auction, bidder, decimal(price), at, extra);
        }
    }

    static DataStream<Tally.Row> q1(DataStream<Events.Event> events) {
        return each(events, (bid, out) -> out.collect(
            new Q1(bid.auction, bid.bidder, bid.price * 908, bid.at, bid.extra)));
    }

    record Q2(long auction, long price) implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"price\":" + price + "}";
        }
    }

    static DataStream<Tally.Row> q2(DataStream<Events.Event> events) {
        return each(events, (bid, out) -> {
            if (bid.auction % 123 == 0) out.collect(new Q2(bid.auction, bid.price));
        });
    }

    /** The price in thousandths of euros. */
    record Q14(long auction, long bidder, long price, String time, long at, String extra, int count)
        implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"bidder\":" + bidder + ",\"price\":" + decimal(price)
                + ",\"bidTimeType\":\"" + time + "\",\"dateTime\":" + at + ",\"extra\":\"" + extra
                + "\",\"c_counts\":" + count + "}";
        }
    }

    static DataStream<Tally.Row> q14(DataStream<Events.Event> events) {
        return each(events, (bid, out) -> {
            long price = bid.price * 908;
            if (price <= 1_000_000_000L || price >= 50_000_000_000L) return;
            int hour = (int) (bid.at / HOUR % 24);
            String time = hour >= 8 && hour <= 18 ? "dayTime" : hour <= 6 || hour >= 20 ? "nightTime" : "otherTime";
            int count = 0;
            for (int c = bid.extra.indexOf('c'); c >= 0; c = bid.extra.indexOf('c', c + 1)) count++;
            out.collect(new Q14(bid.auction, bid.bidder, price, time, bid.at, bid.extra, count));
        });
    }

    record Q21(long auction, long bidder, long price, String channel, String channelId) implements Tally.Row {
        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"bidder\":" + bidder + ",\"price\":" + price + ",\"channel\":\""
                + channel + "\",\"channel_id\":\"" + channelId + "\"}";
        }
    }

    private static String channelId(Events.Bid bid) {
        switch (bid.channel.toLowerCase(java.util.Locale.ROOT)) {
            case "apple": return "0";
            case "google": return "1";
            case "facebook": return "2";
            case "baidu": return "3";
            default:
        }
        String name = "&channel_id=";
        int at = bid.url.indexOf(name);
        if (at < 0) return null;
        int end = bid.url.indexOf('&', at + name.length());
        return bid.url.substring(at + name.length(), end < 0 ? bid.url.length() : end);
    }

    static DataStream<Tally.Row> q21(DataStream<Events.Event> events) {
        return each(events, (bid, out) -> {
            String id = channelId(bid);
            if (id != null) out.collect(new Q21(bid.auction, bid.bidder, bid.price, bid.channel, id));
        });
    }

    record Q22(long auction, long bidder, long price, String channel, String dir1, String dir2, String dir3)
        implements Tally.Row {
        private static String text(String dir) {
            return dir == null ? "null" : '"' + dir + '"';
        }

        @Override
        public String json() {
            return "{\"auction\":" + auction + ",\"bidder\":" + bidder + ",\"price\":" + price + ",\"channel\":\""
                + channel + "\",\"dir1\":" + text(dir1) + ",\"dir2\":" + text(dir2) + ",\"dir3\":" + text(dir3) + "}";
        }
    }

    /** Where the part of a URL begins that comes behind the one that begins at `from`; -1: there is none. */
    private static int next(String url, int from) {
        int slash = from < 0 ? -1 : url.indexOf('/', from);
        return slash < 0 ? -1 : slash + 1;
    }

    private static String part(String url, int from) {
        if (from < 0) return null;
        int end = url.indexOf('/', from);
        return url.substring(from, end < 0 ? url.length() : end);
    }

    static DataStream<Tally.Row> q22(DataStream<Events.Event> events) {
        return each(events, (bid, out) -> {
            // Behind the scheme, the empty part and the host.
            int first = next(bid.url, next(bid.url, next(bid.url, 0)));
            int second = next(bid.url, first), third = next(bid.url, second);
            out.collect(new Q22(bid.auction, bid.bidder, bid.price, bid.channel,
                part(bid.url, first), part(bid.url, second), part(bid.url, third)));
        });
    }

    /** A bid with all its columns, to be sent: auction, bidder, price, channel, url, time, extra. */
    public static final class Whole extends Tuple7<Long, Long, Long, String, String, Long, String> {
        static final TypeInformation<Whole> TYPE = new TupleTypeInfo<>(Whole.class, Types.LONG, Types.LONG, Types.LONG,
            Types.STRING, Types.STRING, Types.LONG, Types.STRING);

        public Whole() {}

        Whole(Long auction, Long bidder, Long price, String channel, String url, Long at, String extra) {
            super(auction, bidder, price, channel, url, at, extra);
        }

        /** To be kept: the next record may come in the same object. */
        Whole kept() {
            return new Whole(f0, f1, f2, f3, f4, f5, f6);
        }

        /** As JSON, but for the bracket at the end. */
        String columns() {
            return "{\"auction\":" + f0 + ",\"bidder\":" + f1 + ",\"price\":" + f2 + ",\"channel\":\"" + f3
                + "\",\"url\":\"" + f4 + "\",\"dateTime\":" + f5 + ",\"extra\":\"" + f6 + "\"";
        }
    }

    static Whole whole(Events.Bid bid) {
        return new Whole(bid.auction, bid.bidder, bid.price, bid.channel, bid.url, bid.at, bid.extra);
    }

    static DataStream<Whole> whole(DataStream<Events.Event> events) {
        return events.<Whole>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(whole(bid));
        }).returns(Whole.TYPE);
    }
}
