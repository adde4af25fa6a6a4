package io.tidegate.flink;

import java.util.concurrent.CompletableFuture;
import org.apache.flink.runtime.execution.SuppressRestartsException;
import org.apache.flink.runtime.jobgraph.OperatorID;
import org.apache.flink.runtime.operators.coordination.OperatorCoordinator;
import org.apache.flink.runtime.operators.coordination.OperatorEvent;
import org.apache.flink.streaming.api.operators.AbstractStreamOperator;
import org.apache.flink.streaming.api.operators.CoordinatedOperatorFactory;
import org.apache.flink.streaming.api.operators.OneInputStreamOperator;
import org.apache.flink.streaming.api.operators.OneInputStreamOperatorFactory;
import org.apache.flink.streaming.api.operators.SimpleOperatorFactory;
import org.apache.flink.streaming.runtime.streamrecord.StreamRecord;

/**
 * Has the job's sinks do away with what an earlier run left unfinished: in the JobManager, when the job begins, before any of its
 * subtasks does. A job that goes on from a checkpoint or a savepoint needs what is unfinished: it is pending there.
 *
 * <p>A coordinator of an operator's, because Flink tells it of the checkpoint even if the operator has nothing in it. The enumerator of a
 * source all of whose subtasks had ended is created again as if there was none.
 */
final class Settling implements OperatorCoordinator {
    private static final byte[] NOTHING = {};

    private final Context context;
    private final String[] args;
    private boolean goesOn;

    private Settling(Context context, String[] args) {
        this.context = context;
        this.args = args;
    }

    @Override
    public void resetToCheckpoint(long checkpointId, byte[] state) {
        goesOn |= checkpointId != NO_CHECKPOINT;
    }

    @Override
    public void start() {
        if (goesOn) {
            return;
        }
        try {
            Main.ask("settle", args);
        } catch (Exception refused) {
            // What is in the way is there at the next attempt, too.
            context.failJob(new SuppressRestartsException(refused));
        }
    }

    @Override
    public void checkpointCoordinator(long checkpointId, CompletableFuture<byte[]> state) {
        state.complete(NOTHING);
    }

    @Override
    public void handleEventFromOperator(int subtask, int attempt, OperatorEvent event) {}

    @Override
    public void notifyCheckpointComplete(long checkpointId) {}

    @Override
    public void subtaskReset(int subtask, long checkpointId) {}

    @Override
    public void executionAttemptFailed(int subtask, int attempt, Throwable reason) {}

    @Override
    public void executionAttemptReady(int subtask, int attempt, SubtaskGateway gateway) {}

    @Override
    public void close() {}

    /** Makes an operator that has such a coordinator. One of a job's has. */
    static final class Factory extends SimpleOperatorFactory<byte[]>
            implements OneInputStreamOperatorFactory<byte[], byte[]>, CoordinatedOperatorFactory<byte[]> {
        private static final long serialVersionUID = 1;
        private final String[] args;

        Factory(OneInputStreamOperator<byte[], byte[]> operator, String[] args) {
            super(operator);
            this.args = args;
        }

        @Override
        public OperatorCoordinator.Provider getCoordinatorProvider(String name, OperatorID id) {
            return new Provider(id, args);
        }
    }

    private record Provider(OperatorID id, String[] args) implements OperatorCoordinator.Provider {
        @Override
        public OperatorID getOperatorId() {
            return id;
        }

        @Override
        public OperatorCoordinator create(Context context) {
            return new Settling(context, args);
        }
    }

    /** Behind a source of a job that has no other operators. */
    static final class End extends AbstractStreamOperator<byte[]> implements OneInputStreamOperator<byte[], byte[]> {
        private static final long serialVersionUID = 1;

        @Override
        public void processElement(StreamRecord<byte[]> nothing) {}
    }
}
