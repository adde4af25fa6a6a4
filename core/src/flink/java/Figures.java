package io.tidegate.flink;

import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;

/** What the process of a subtask has counted, as metrics of Flink's: `tidegate.stage.NAME.recordsIn`. */
final class Figures {
    private final MetricGroup group;
    private final Map<String, Counter> counters = new HashMap<>();
    private final Map<String, long[]> gauges = new HashMap<>();
    private long read;

    /** Of an operator, or a source, that has this group. */
    Figures(MetricGroup operator) {
        group = operator.addGroup("tidegate");
    }

    /** Records that the sources of the subtask have read so far, as far as it is known. */
    long read() {
        return read;
    }

    void take(byte[] told) throws IOException {
        JsonNode all = Beginning.JSON.readTree(told);
        read = all.get("read").asLong();
        for (JsonNode figure : all.get("figures")) {
            String name = figure.get("name").asText();
            String stage = figure.get("stage").textValue();
            String output = figure.get("output").textValue();
            long value = figure.get("value").asLong();
            String id = name + "\n" + stage + "\n" + output;
            if (figure.get("counts").asBoolean()) {
                Counter counter = counters.computeIfAbsent(id, none -> group(stage, output).counter(name));
                counter.inc(value - counter.getCount());
            } else {
                // Who reports it reads it in another thread, and a moment later is early enough.
                gauges.computeIfAbsent(id, none -> {
                    long[] held = new long[1];
                    group(stage, output).gauge(name, () -> held[0]);
                    return held;
                })[0] = value;
            }
        }
    }

    private MetricGroup group(String stage, String output) {
        MetricGroup its = stage == null ? group : group.addGroup("stage", stage);
        return output == null ? its : its.addGroup("output", output);
    }
}
