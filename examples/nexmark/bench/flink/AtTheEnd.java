import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * What is kept of the records of a key until the input is over, and becomes rows then: any record may change it.
 *
 * <p>One state, and so one probe a record. On the heap its value is the object itself: it is changed where it lies.
 */
abstract class AtTheEnd<K, I, S> extends KeyedProcessFunction<K, I, Tally.Row> {
    /** The last watermark is this. */
    private static final long END = Long.MAX_VALUE;

    private final TypeInformation<S> type;
    private transient ValueState<S> state;

    AtTheEnd(TypeInformation<S> type) {
        this.type = type;
    }

    /** What is kept with this record; `kept` is null at the first. A record is reused: what is kept of it must be copied. */
    abstract S add(S kept, I record);

    abstract void rows(K key, S kept, Collector<Tally.Row> out);

    @Override
    public void open(OpenContext context) {
        state = getRuntimeContext().getState(new ValueStateDescriptor<>("kept", type));
    }

    @Override
    public void processElement(I record, Context context, Collector<Tally.Row> out) throws Exception {
        S kept = state.value(), next = add(kept, record);
        if (kept == null) context.timerService().registerEventTimeTimer(END);
        if (kept != next) state.update(next);
    }

    @Override
    public void onTimer(long at, OnTimerContext context, Collector<Tally.Row> out) throws Exception {
        rows(context.getCurrentKey(), state.value(), out);
        state.clear();
    }
}
