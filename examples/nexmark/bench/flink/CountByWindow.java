import java.util.Arrays;
import org.apache.flink.api.common.functions.OpenContext;
import org.apache.flink.api.common.state.ValueState;
import org.apache.flink.api.common.state.ValueStateDescriptor;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.functions.KeyedProcessFunction;
import org.apache.flink.util.Collector;

/**
 * How often a key comes in each tumbling window: its start, the key, the count, when the window is over.
 *
 * <p>The open windows of a key are one value: start and count of each, one behind the other, the latest last. So a record takes
 * one probe; the ready-made window operator looks for its trigger's state and sets its timer again with every one.
 */
final class CountByWindow extends KeyedProcessFunction<Long, Long, Tuple3<Long, Long, Long>> {
    static final TypeInformation<Tuple3<Long, Long, Long>> TYPE = Types.TUPLE(Types.LONG, Types.LONG, Types.LONG);

    private final long size;
    private transient ValueState<long[]> windows;

    CountByWindow(long size) {
        this.size = size;
    }

    @Override
    public void open(OpenContext context) {
        windows = getRuntimeContext().getState(
            new ValueStateDescriptor<>("windows", PrimitiveArrayTypeInfo.LONG_PRIMITIVE_ARRAY_TYPE_INFO));
    }

    @Override
    public void processElement(Long key, Context context, Collector<Tuple3<Long, Long, Long>> out) throws Exception {
        long start = context.timestamp() / size * size;
        long[] open = windows.value();
        if (open == null) open = new long[0];
        for (int i = open.length - 2; i >= 0; i -= 2) {
            if (open[i] == start) {
                // On the heap the value is the object itself.
                open[i + 1]++;
                return;
            }
        }
        long[] more = Arrays.copyOf(open, open.length + 2);
        more[open.length] = start;
        more[open.length + 1] = 1;
        windows.update(more);
        context.timerService().registerEventTimeTimer(start + size - 1);
    }

    @Override
    public void onTimer(long at, OnTimerContext context, Collector<Tuple3<Long, Long, Long>> out) throws Exception {
        long[] open = windows.value();
        long start = at + 1 - size;
        int place = 0;
        while (open[place] != start) place += 2;
        out.collect(Tuple3.of(start, context.getCurrentKey(), open[place + 1]));
        if (open.length == 2) {
            windows.clear();
            return;
        }
        long[] left = Arrays.copyOf(open, open.length - 2);
        System.arraycopy(open, place + 2, left, place, left.length - place);
        windows.update(left);
    }
}
