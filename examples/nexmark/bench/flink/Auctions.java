import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.api.java.tuple.Tuple7;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.api.java.typeutils.ListTypeInfo;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;

/** q4, q9, q18 and q19: what becomes of auctions and their bids. */
final class Auctions {
    private Auctions() {}

    // --- q4 and q9: winning bids ---

    /** An auction: its id, when it opens, when it is over, and the columns that only the row needs. */
    public static final class Opened<A> extends Tuple4<Long, Long, Long, A> {
        public Opened() {}

        Opened(Events.Auction auction, A others) {
            super(auction.id, auction.at, auction.expires, others);
        }
    }

    /** A bid: its auction, its price, its time, and the columns that only the row needs. */
    public static final class Offer<B> extends Tuple4<Long, Long, Long, B> {
        public Offer() {}

        Offer(Events.Bid bid, B others) {
            super(bid.auction, bid.price, bid.at, others);
        }

        boolean beats(Offer<B> best) {
            return best == null || f1 > best.f1 || f1.equals(best.f1) && f2 < best.f2;
        }
    }

    public static final class Sale<A, B> {
        public Opened<A> auction;
        public Offer<B> best;
        /** Bids that arrived before their auction. */
        public List<Offer<B>> early = new ArrayList<>(0);

        void offer(Offer<B> bid) {
            if (auction.f1 <= bid.f2 && bid.f2 <= auction.f2 && bid.beats(best)) best = bid;
        }
    }

    /** Serializers of what is sent and kept. */
    private record Columns<A, B>(TypeInformation<Opened<A>> opened, TypeInformation<Offer<B>> offer)
        implements java.io.Serializable {
        static <A, B> Columns<A, B> of(TypeInformation<A> auction, TypeInformation<B> bid) {
            return new Columns<>(tuple(Opened.class, auction), tuple(Offer.class, bid));
        }

        @SuppressWarnings({"unchecked", "rawtypes"})
        private static <T> TypeInformation<T> tuple(Class tuple, TypeInformation<?> others) {
            return (TypeInformation<T>) new TupleTypeInfo(tuple, Types.LONG, Types.LONG, Types.LONG, others);
        }

        TypeInformation<Either<Opened<A>, Offer<B>>> either() {
            return new EitherTypeInfo<>(opened, offer);
        }

        @SuppressWarnings("unchecked")
        TypeInformation<Sale<A, B>> sale() {
            Map<String, TypeInformation<?>> fields =
                Map.of("auction", opened, "best", offer, "early", new ListTypeInfo<>(offer));
            return (TypeInformation<Sale<A, B>>) (TypeInformation<?>) Types.POJO(Sale.class, fields);
        }
    }

    /** The winning bid of each auction that has one, when the auction is over. */
    private abstract static class FindWinner<A, B, O>
        extends KeyedProcessFunction<Long, Either<Opened<A>, Offer<B>>, O> {
        private final Columns<A, B> columns;
        private transient ValueState<Sale<A, B>> sales;
        /** A record is reused; what is kept of it is copied. */
        private transient TypeSerializer<Opened<A>> auctions;
        private transient TypeSerializer<Offer<B>> bids;

        FindWinner(Columns<A, B> columns) {
            this.columns = columns;
        }

        abstract O won(Opened<A> auction, Offer<B> bid);

        @Override
        public void open(OpenContext context) {
            sales = getRuntimeContext().getState(new ValueStateDescriptor<>("sales", columns.sale()));
            auctions = getRuntimeContext().createSerializer(columns.opened());
            bids = getRuntimeContext().createSerializer(columns.offer());
        }

        @Override
        public void processElement(Either<Opened<A>, Offer<B>> move, Context context, Collector<O> out)
            throws Exception {
            Sale<A, B> sale = sales.value();
            if (move.isRight()) {
                Offer<B> bid = move.right();
                if (sale != null && sale.auction != null) {
                    boolean counts = sale.auction.f1 <= bid.f2 && bid.f2 <= sale.auction.f2;
                    if (counts && bid.beats(sale.best)) sale.best = bids.copy(bid);
                    return;
                }
                if (sale == null) sales.update(sale = new Sale<>());
                if (sale.early.isEmpty()) context.timerService().registerEventTimeTimer(bid.f2);
                sale.early.add(bids.copy(bid));
                return;
            }
            if (sale == null) sales.update(sale = new Sale<>());
            sale.auction = auctions.copy(move.left());
            context.timerService().registerEventTimeTimer(sale.auction.f2);
            for (Offer<B> bid : sale.early) sale.offer(bid);
            sale.early = new ArrayList<>(0);
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<O> out) throws Exception {
            Sale<A, B> sale = sales.value();
            if (sale == null) return;
            if (sale.auction != null && sale.auction.f2 <= at) {
                if (sale.best != null) out.collect(won(sale.auction, sale.best));
                sale.auction = null;
                sale.best = null;
            }
            // An auction that opened before one of these would have arrived by now.
            long next = Long.MAX_VALUE;
            for (Iterator<Offer<B>> early = sale.early.iterator(); early.hasNext();) {
                long bid = early.next().f2;
                if (bid <= at) early.remove();
                else next = Math.min(next, bid);
            }
            if (!sale.early.isEmpty()) context.timerService().registerEventTimeTimer(next);
            else if (sale.auction == null) sales.clear();
        }
    }

    record Q4(long category, long average) implements Tally.Row {
        @Override
        public String json() {
            return "{\"category\":" + category + ",\"EXPR$1\":" + average + "}";
        }
    }

    static DataStream<Tally.Row> q4(DataStream<Events.Event> events) {
        // Of an auction its category, of a bid nothing more: the byte is for the serializer.
        Columns<Long, Byte> columns = Columns.of(Types.LONG, Types.BYTE);
        return events.<Either<Opened<Long>, Offer<Byte>>>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(Either.Right(new Offer<>(bid, (byte) 0)));
            else if (event instanceof Events.Auction a) out.collect(Either.Left(new Opened<>(a, a.category)));
        }).returns(columns.either())
            .keyBy(move -> move.isLeft() ? move.left().f0 : move.right().f0, Types.LONG)
            .process(new FindWinner<Long, Byte, Tuple2<Long, Long>>(columns) {
                @Override
                Tuple2<Long, Long> won(Opened<Long> auction, Offer<Byte> bid) {
                    return Tuple2.of(auction.f3, bid.f1);
                }
            }, NexmarkBench.PAIR)
            .keyBy(won -> won.f0, Types.LONG)
            .process(new Average(), NexmarkBench.ROW);
    }

    /** Number and sum. */
    private static final class Average extends AtTheEnd<Long, Tuple2<Long, Long>, long[]> {
        Average() {
            super(PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO);
        }

        @Override
        long[] add(long[] kept, Tuple2<Long, Long> won) {
            long[] average = kept == null ? new long[2] : kept;
            average[0]++;
            average[1] += won.f1;
            return average;
        }

        @Override
        void rows(Long category, long[] average, Collector<Tally.Row> out) {
            out.collect(new Q4(category, average[1] / average[0]));
        }
    }

    /** The other columns of an auction: item, description, initial bid, reserve, seller, category, extra. */
    public static final class Item extends Tuple7<String, String, Long, Long, Long, Long, String> {
        static final TypeInformation<Item> TYPE = new TupleTypeInfo<>(Item.class, Types.STRING, Types.STRING,
            Types.LONG, Types.LONG, Types.LONG, Types.LONG, Types.STRING);

        public Item() {}

        Item(Events.Auction a) {
            super(a.itemName, a.description, a.initialBid, a.reserve, a.seller, a.category, a.extra);
        }
    }

    /** The other columns of a bid: bidder, extra. */
    public static final class By extends Tuple2<Long, String> {
        static final TypeInformation<By> TYPE = new TupleTypeInfo<>(By.class, Types.LONG, Types.STRING);

        public By() {}

        By(Events.Bid bid) {
            super(bid.bidder, bid.extra);
        }
    }

    record Q9(Opened<Item> auction, Offer<By> bid) implements Tally.Row {
        @Override
        public String json() {
            Item item = auction.f3;
            return "{\"id\":" + auction.f0 + ",\"itemName\":\"" + item.f0 + "\",\"description\":\"" + item.f1
                + "\",\"initialBid\":" + item.f2 + ",\"reserve\":" + item.f3 + ",\"dateTime\":" + auction.f1
                + ",\"expires\":" + auction.f2 + ",\"seller\":" + item.f4 + ",\"category\":" + item.f5
                + ",\"extra\":\"" + item.f6 + "\",\"auction\":" + bid.f0 + ",\"bidder\":" + bid.f3.f0 + ",\"price\":"
                + bid.f1 + ",\"bid_dateTime\":" + bid.f2 + ",\"bid_extra\":\"" + bid.f3.f1 + "\"}";
        }
    }

    static DataStream<Tally.Row> q9(DataStream<Events.Event> events) {
        Columns<Item, By> columns = Columns.of(Item.TYPE, By.TYPE);
        return events.<Either<Opened<Item>, Offer<By>>>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(Either.Right(new Offer<>(bid, new By(bid))));
            else if (event instanceof Events.Auction a) out.collect(Either.Left(new Opened<>(a, new Item(a))));
        }).returns(columns.either())
            .keyBy(move -> move.isLeft() ? move.left().f0 : move.right().f0, Types.LONG)
            .process(new FindWinner<Item, By, Tally.Row>(columns) {
                @Override
                Tally.Row won(Opened<Item> auction, Offer<By> bid) {
                    return new Q9(auction, bid);
                }
            }, NexmarkBench.ROW);
    }

    // --- q18 and q19: whole bids ---

    record Q18(Bids.Whole bid) implements Tally.Row {
        @Override
        public String json() {
            return bid.columns() + "}";
        }

        @Override
        public String jsonWithoutChance() {
            return "{\"auction\":" + bid.f0 + ",\"bidder\":" + bid.f1 + ",\"dateTime\":" + bid.f5 + "}";
        }
    }

    static DataStream<Tally.Row> q18(DataStream<Events.Event> events) {
        // Bidder and auction are both below 2^32, and one number is hashed and compared faster than a tuple.
        return Bids.whole(events).keyBy(bid -> bid.f1 << 32 | bid.f0, Types.LONG)
            .process(new LastBid(), NexmarkBench.ROW);
    }

    private static final class LastBid extends AtTheEnd<Long, Bids.Whole,
        Bids.Whole> {
        LastBid() {
            super(Bids.Whole.TYPE);
        }

        @Override
        Bids.Whole add(
            Bids.Whole last,
            Bids.Whole bid) {
            return last == null || bid.f5 >= last.f5 ? bid.kept() : last;
        }

        @Override
        void rows(Long of, Bids.Whole last, Collector<Tally.Row> out) {
            out.collect(new Q18(last));
        }
    }

    record Q19(Bids.Whole bid, int rank) implements Tally.Row {
        @Override
        public String json() {
            return bid.columns() + ",\"rank_number\":" + rank + "}";
        }

        @Override
        public String jsonWithoutChance() {
            return "{\"auction\":" + bid.f0 + ",\"price\":" + bid.f2 + ",\"rank_number\":" + rank + "}";
        }
    }

    static DataStream<Tally.Row> q19(DataStream<Events.Event> events) {
        return Bids.whole(events).keyBy(bid -> bid.f0, Types.LONG).process(new TopTen(), NexmarkBench.ROW);
    }

    /** The highest first; of several at one price the one that arrived first. */
    private static final class TopTen extends AtTheEnd<Long, Bids.Whole,
        List<Bids.Whole>> {
        private static final int TOP = 10;

        TopTen() {
            super(new ListTypeInfo<>(Bids.Whole.TYPE));
        }

        @Override
        List<Bids.Whole> add(
            List<Bids.Whole> kept,
            Bids.Whole bid) {
            var top = kept == null ? new ArrayList<Bids.Whole>(TOP) : kept;
            long price = bid.f2;
            if (top.size() == TOP) {
                if (top.get(TOP - 1).f2 >= price) return top;
                top.remove(TOP - 1);
            }
            int place = top.size();
            while (place > 0 && top.get(place - 1).f2 < price) place--;
            top.add(place, bid.kept());
            return top;
        }

        @Override
        void rows(Long auction, List<Bids.Whole> top,
            Collector<Tally.Row> out) {
            int rank = 0;
            for (var bid : top) out.collect(new Q19(bid, ++rank));
        }
    }
}
