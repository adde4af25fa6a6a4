import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.state.MapState;
import org.apache.flink.api.common.state.MapStateDescriptor;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple10;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.tuple.Tuple4;
import org.apache.flink.api.java.typeutils.EitherTypeInfo;
import org.apache.flink.api.java.typeutils.ListTypeInfo;
import org.apache.flink.api.java.typeutils.TupleTypeInfo;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.streaming.api.functions.co.KeyedCoProcessFunction;
import org.apache.flink.types.Either;
import org.apache.flink.util.Collector;

/** q3, q8 and q20: two kinds of events that belong together. */
final class Joins {
    private static final long SIZE = 10_000;

    private Joins() {}

    // --- q3 ---

    record Q3(String name, String city, String state, long id) implements Tally.Row {
        @Override
        public String json() {
            return "{\"name\":\"" + name + "\",\"city\":\"" + city + "\",\"state\":\"" + state + "\",\"id\":" + id + "}";
        }
    }

    private static final TypeInformation<Tuple4<Long, String, String, String>> SELLER =
        Types.TUPLE(Types.LONG, Types.STRING, Types.STRING, Types.STRING);

    static DataStream<Tally.Row> q3(DataStream<Events.Event> events) {
        var sellers = events.<Tuple4<Long, String, String, String>>flatMap((event, out) -> {
            if (event instanceof Events.Person p
                && (p.state.equals("OR") || p.state.equals("ID") || p.state.equals("CA"))) {
                out.collect(Tuple4.of(p.id, p.name, p.city, p.state));
            }
        }).returns(SELLER);
        var auctions = events.<Tuple2<Long, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Auction a && a.category == 10) out.collect(Tuple2.of(a.seller, a.id));
        }).returns(NexmarkBench.PAIR);
        return sellers.keyBy(seller -> seller.f0, Types.LONG)
            .connect(auctions.keyBy(auction -> auction.f0, Types.LONG))
            .process(new JoinSellers(), NexmarkBench.ROW);
    }

    private static final class JoinSellers
        extends KeyedCoProcessFunction<Long, Tuple4<Long, String, String, String>, Tuple2<Long, Long>, Tally.Row> {
        private transient ListState<Tuple4<Long, String, String, String>> sellers;
        private transient ListState<Long> auctions;

        @Override
        public void open(OpenContext context) {
            sellers = getRuntimeContext().getListState(new ListStateDescriptor<>("sellers", SELLER));
            auctions = getRuntimeContext().getListState(new ListStateDescriptor<>("auctions", Types.LONG));
        }

        private static Tally.Row row(Tuple4<Long, String, String, String> seller, long id) {
            return new Q3(seller.f1, seller.f2, seller.f3, id);
        }

        @Override
        public void processElement1(
            Tuple4<Long, String, String, String> seller, Context context, Collector<Tally.Row> out) throws Exception {
            for (long id : auctions.get()) out.collect(row(seller, id));
            // The next record may come in the same object.
            sellers.add(seller.copy());
        }

        @Override
        public void processElement2(Tuple2<Long, Long> auction, Context context, Collector<Tally.Row> out)
            throws Exception {
            for (var seller : sellers.get()) out.collect(row(seller, auction.f1));
            auctions.add(auction.f1);
        }
    }

    // --- q8 ---

    record Q8(long id, String name, long starttime) implements Tally.Row {
        @Override
        public String json() {
            return "{\"id\":" + id + ",\"name\":\"" + name + "\",\"starttime\":" + starttime + "}";
        }
    }

    private static final TypeInformation<Tuple3<Long, String, Long>> JOINED =
        Types.TUPLE(Types.LONG, Types.STRING, Types.LONG);

    static DataStream<Tally.Row> q8(DataStream<Events.Event> events) {
        var people = events.<Tuple3<Long, String, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Person p) out.collect(Tuple3.of(p.id, p.name, p.at / SIZE * SIZE));
        }).returns(JOINED);
        var auctions = events.<Tuple2<Long, Long>>flatMap((event, out) -> {
            if (event instanceof Events.Auction a) out.collect(Tuple2.of(a.seller, a.at / SIZE * SIZE));
        }).returns(NexmarkBench.PAIR);
        return people.keyBy(person -> person.f0, Types.LONG)
            .connect(auctions.keyBy(auction -> auction.f0, Types.LONG))
            .process(new NewSellers(), NexmarkBench.ROW);
    }

    /** A row as soon as both are there; the first person of a window counts. */
    private static final class NewSellers
        extends KeyedCoProcessFunction<Long, Tuple3<Long, String, Long>, Tuple2<Long, Long>, Tally.Row> {
        private transient MapState<Long, String> joined;
        private transient MapState<Long, Boolean> sold;

        @Override
        public void open(OpenContext context) {
            joined =
                getRuntimeContext().getMapState(new MapStateDescriptor<>("joined", Types.LONG, Types.STRING));
            sold = getRuntimeContext().getMapState(new MapStateDescriptor<>("sold", Types.LONG, Types.BOOLEAN));
        }

        @Override
        public void processElement1(Tuple3<Long, String, Long> person, Context context, Collector<Tally.Row> out)
            throws Exception {
            if (joined.contains(person.f2)) return;
            joined.put(person.f2, person.f1);
            context.timerService().registerEventTimeTimer(person.f2 + SIZE - 1);
            if (sold.contains(person.f2)) out.collect(new Q8(person.f0, person.f1, person.f2));
        }

        @Override
        public void processElement2(Tuple2<Long, Long> auction, Context context, Collector<Tally.Row> out)
            throws Exception {
            if (sold.contains(auction.f1)) return;
            sold.put(auction.f1, true);
            context.timerService().registerEventTimeTimer(auction.f1 + SIZE - 1);
            String name = joined.get(auction.f1);
            if (name != null) out.collect(new Q8(auction.f0, name, auction.f1));
        }

        @Override
        public void onTimer(long at, OnTimerContext context, Collector<Tally.Row> out) throws Exception {
            joined.remove(at + 1 - SIZE);
            sold.remove(at + 1 - SIZE);
        }
    }

    // --- q20 ---

    record Q20(Bids.Whole bid, Whole auction) implements Tally.Row {
        @Override
        public String json() {
            return bid.columns() + ",\"itemName\":\"" + auction.f1 + "\",\"description\":\"" + auction.f2
                + "\",\"initialBid\":" + auction.f3 + ",\"reserve\":" + auction.f4 + ",\"dateTime0\":" + auction.f5
                + ",\"expires\":" + auction.f6 + ",\"seller\":" + auction.f7 + ",\"category\":" + auction.f8
                + ",\"extra0\":\"" + auction.f9 + "\"}";
        }
    }

    /** An auction: id, item, description, initial bid, reserve, time, expiry, seller, category, extra. */
    public static final class Whole
        extends Tuple10<Long, String, String, Long, Long, Long, Long, Long, Long, String> {
        static final TypeInformation<Whole> TYPE = new TupleTypeInfo<>(Whole.class, Types.LONG, Types.STRING,
            Types.STRING, Types.LONG, Types.LONG, Types.LONG, Types.LONG, Types.LONG, Types.LONG, Types.STRING);

        public Whole() {}

        Whole(Events.Auction a) {
            super(a.id, a.itemName, a.description, a.initialBid, a.reserve, a.at, a.expires, a.seller, a.category,
                a.extra);
        }

        /** To be kept: the next record may come in the same object. */
        Whole kept() {
            Whole kept = new Whole();
            kept.setFields(f0, f1, f2, f3, f4, f5, f6, f7, f8, f9);
            return kept;
        }
    }

    /** Both sides of one id. */
    public static final class Met {
        public List<Bids.Whole> bids = new ArrayList<>();
        public List<Whole> auctions = new ArrayList<>(1);

        static final TypeInformation<Met> TYPE = Types.POJO(Met.class, Map.of(
            "bids", new ListTypeInfo<>(Bids.Whole.TYPE), "auctions", new ListTypeInfo<>(Whole.TYPE)));
    }

    /** One stream of both, and one state: so bids seldom wait for their auction, and a record takes one probe. */
    static DataStream<Tally.Row> q20(DataStream<Events.Event> events) {
        return events.<Either<Whole, Bids.Whole>>flatMap((event, out) -> {
            if (event instanceof Events.Bid bid) out.collect(Either.Right(Bids.whole(bid)));
            else if (event instanceof Events.Auction a && a.category == 10) out.collect(Either.Left(new Whole(a)));
        }).returns(new EitherTypeInfo<>(Whole.TYPE, Bids.Whole.TYPE))
            .keyBy(side -> side.isLeft() ? side.left().f0 : side.right().f0, Types.LONG)
            .process(new Expand(), NexmarkBench.ROW);
    }

    private static final class Expand extends KeyedProcessFunction<Long, Either<Whole, Bids.Whole>, Tally.Row> {
        private transient ValueState<Met> met;

        @Override
        public void open(OpenContext context) {
            met = getRuntimeContext().getState(new ValueStateDescriptor<>("met", Met.TYPE));
        }

        @Override
        public void processElement(Either<Whole, Bids.Whole> side, Context context, Collector<Tally.Row> out)
            throws Exception {
            Met both = met.value();
            if (both == null) met.update(both = new Met());
            if (side.isRight()) {
                Bids.Whole bid = side.right().kept();
                for (Whole auction : both.auctions) out.collect(new Q20(bid, auction));
                both.bids.add(bid);
            } else {
                Whole auction = side.left().kept();
                for (Bids.Whole bid : both.bids) out.collect(new Q20(bid, auction));
                both.auctions.add(auction);
            }
        }
    }
}
