package io.tidegate.flink;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Locale;

/** The job's executable, out of the jar: once for all who use it in this JVM, and gone when nobody does. */
final class Executable implements AutoCloseable {
    private static Path path;
    private static int users;

    private Executable() {}

    static Executable acquire() throws IOException {
        synchronized (Executable.class) {
            if (users == 0) {
                path = extract();
            }
            users++;
        }
        return new Executable();
    }

    Path path() {
        return path;
    }

    @Override
    public void close() throws IOException {
        synchronized (Executable.class) {
            if (--users == 0) {
                Files.deleteIfExists(path);
            }
        }
    }

    private static Path extract() throws IOException {
        String platform = platform();
        try (InputStream job = Executable.class.getResourceAsStream("/native/" + platform + "/job")) {
            if (job == null) {
                throw new IOException("the jar has no executable of the job for " + platform
                        + ", which this machine is: build the job there, and package it again");
            }
            Path file = Files.createTempFile("tidegate-", "-job",
                    PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
            Files.copy(job, file, StandardCopyOption.REPLACE_EXISTING);
            Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("r-x------"));
            return file;
        }
    }

    /** As Rust calls it: `linux-x86_64`. */
    static String platform() {
        String os = System.getProperty("os.name").toLowerCase(Locale.ROOT).startsWith("mac") ? "macos" : "linux";
        String arch = System.getProperty("os.arch");
        return os + "-" + (arch.equals("amd64") ? "x86_64" : arch.equals("arm64") ? "aarch64" : arch);
    }
}
