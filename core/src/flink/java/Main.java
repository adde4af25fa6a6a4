package io.tidegate.flink;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.ExecutionOptions;
import org.apache.flink.core.execution.CheckpointingMode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.streaming.api.functions.sink.v2.DiscardingSink;
import org.apache.flink.streaming.api.transformations.OneInputTransformation;
import org.apache.flink.streaming.api.transformations.PartitionTransformation;

/** Submits the job in this jar: asks its executable what the job is, and builds that. The arguments are the job's own. */
public final class Main {
    private static final TypeInformation<byte[]> BYTES = PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO;

    private Main() {}

    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        if (env.getCheckpointConfig().isUnalignedCheckpointsEnabled()) {
            throw new Guest.JobFailure("execution.checkpointing.unaligned is true, and a job of Tidegate takes aligned checkpoints"
                    + " only: a record that is in flight goes in a frame of many key groups, which can't be dealt anew when the job"
                    + " is rescaled; set it to false, for this job by `flink run --set execution.checkpointing.unaligned=false`");
        }
        refuseWhatBreaksThePromise(env);
        JsonNode job = Beginning.JSON.readTree(ask("describe", args));
        env.getConfig().enableObjectReuse();
        env.setMaxParallelism(job.get("max_parallelism").asInt());
        if (!env.getCheckpointConfig().isCheckpointingEnabled()) {
            env.enableCheckpointing(job.get("snapshot_interval_millis").asLong());
        }
        // One of the operators has the sinks settled.
        boolean settles = true;
        List<DataStream<byte[]>> streams = new ArrayList<>();
        JsonNode fragments = job.get("fragments");
        for (int fragment = 0; fragment < fragments.size(); fragment++) {
            JsonNode node = fragments.get(fragment);
            String name = node.get("name").asText();
            if (node.get("kind").asText().equals("source")) {
                ArrayList<FragmentSource.Split> splits = new ArrayList<>();
                for (Iterator<Map.Entry<String, JsonNode>> sources = node.get("splits").fields(); sources.hasNext(); ) {
                    Map.Entry<String, JsonNode> source = sources.next();
                    for (JsonNode id : source.getValue()) {
                        String given = Beginning.JSON.createObjectNode().put("id", id.asText()).toString();
                        splits.add(new FragmentSource.Split(
                                source.getKey() + "/" + id.asText(), source.getKey(), given, null, -1));
                    }
                }
                FragmentSource source = new FragmentSource(args, fragment, node.get("endless").asBoolean(), splits);
                streams.add(env.fromSource(source, WatermarkStrategy.noWatermarks(), name,
                        BYTES).uid("source " + name));
                continue;
            }
            DataStream<byte[]> input = null;
            for (JsonNode crossing : job.get("crossings")) {
                if (crossing.get("to").asInt() != fragment) {
                    continue;
                }
                DataStream<byte[]> stream = streams.get(crossing.get("from").asInt())
                        .filter(new FrameFilter(crossing.get("edge").asInt())).name("to " + name);
                DataStream<byte[]> shipped = new DataStream<>(
                        env, new PartitionTransformation<>(stream.getTransformation(), new FramePartitioner()));
                input = input == null ? shipped : input.union(shipped);
            }
            KeyedFragment keyed = new KeyedFragment(args, fragment);
            SingleOutputStreamOperator<byte[]> stream = settles
                    ? input.transform(name, BYTES, new Settling.Factory(keyed, args))
                    : input.transform(name, BYTES, keyed);
            settles = false;
            OneInputTransformation<?, ?> operator = (OneInputTransformation<?, ?>) stream.getTransformation();
            operator.setStateKeySelector(frame -> 0);
            operator.setStateKeyType(Types.INT);
            streams.add(stream.uid("operator " + name));
        }
        for (int fragment = 0; fragment < fragments.size(); fragment++) {
            if (leaving(job, fragment) == 0 && fragments.get(fragment).get("kind").asText().equals("source")) {
                if (settles) {
                    streams.get(fragment).transform("end", BYTES, new Settling.Factory(new Settling.End(), args));
                } else {
                    streams.get(fragment).sinkTo(new DiscardingSink<>()).name("end");
                }
                settles = false;
            }
        }
        env.execute(job.get("job").asText());
    }

    private static int leaving(JsonNode job, int fragment) {
        int edges = 0;
        for (JsonNode crossing : job.get("crossings")) {
            edges += crossing.get("from").asInt() == fragment ? 1 : 0;
        }
        return edges;
    }

    /** Results are committed with checkpoints: whatever keeps one from coming, or from being exact, would lose or double some. */
    private static void refuseWhatBreaksThePromise(StreamExecutionEnvironment env) throws Guest.JobFailure {
        switch (env.getConfiguration().get(ExecutionOptions.RUNTIME_MODE)) {
            case BATCH:
                throw new Guest.JobFailure("execution.runtime-mode is BATCH, where Flink takes no checkpoints, and a sink of Tidegate"
                        + " commits with them: nobody would see any result; leave it out, or set it to STREAMING");
            case AUTOMATIC:
                env.setRuntimeMode(RuntimeExecutionMode.STREAMING);
                break;
            default:
        }
        if (env.getCheckpointConfig().getCheckpointingConsistencyMode() == CheckpointingMode.AT_LEAST_ONCE) {
            throw new Guest.JobFailure("execution.checkpointing.mode is AT_LEAST_ONCE, and a job of Tidegate commits every result once:"
                    + " set it to EXACTLY_ONCE, for this job by `flink run --set execution.checkpointing.mode=EXACTLY_ONCE`");
        }
        if (!env.getConfiguration().get(CheckpointingOptions.ENABLE_CHECKPOINTS_AFTER_TASKS_FINISH)) {
            throw new Guest.JobFailure(CheckpointingOptions.ENABLE_CHECKPOINTS_AFTER_TASKS_FINISH.key() + " is false, and what a job"
                    + " of Tidegate gives behind its last checkpoint is committed with one more: nobody would ever see it;"
                    + " leave it out, or set it to true");
        }
    }

    /** Has the job's executable answer a question about the job: its standard output. */
    static byte[] ask(String what, String[] args) throws Exception {
        try (Executable executable = Executable.acquire()) {
            List<String> command = new ArrayList<>(List.of(executable.path().toString(), "flink", what, "--"));
            command.addAll(List.of(args));
            Process process = new ProcessBuilder(command).start();
            process.getOutputStream().close();
            byte[] said = process.getInputStream().readAllBytes();
            byte[] complained = process.getErrorStream().readAllBytes();
            if (process.waitFor() != 0) {
                throw new Guest.JobFailure(new String(complained, StandardCharsets.UTF_8).trim());
            }
            return said;
        }
    }
}
