// The `quern` command. Owns exit codes and the one place where errors become messages.
import ArgumentParser
import Foundation
import Glibc
import QuernTensor

@main
struct Quern: AsyncParsableCommand {
    static let version = "0.1.0"

    static let configuration = CommandConfiguration(
        commandName: "quern",
        abstract: "A local tokenizer and int8 model-serving daemon for Qwen and Llama checkpoints.",
        discussion: """
            First steps:
              quern pack model.gguf -o models/model.quern    pack a checkpoint to int8
              quern serve models/model.quern                 serve it on a Unix socket
              quern run "Write a haiku"                      ask it
              echo "Write a haiku" | quern run               the same from a pipe
              quern map "Translate: {}" < lines.txt          one answer per line
              quern batch in.jsonl -o out.jsonl              a file of requests, resumably

            Exit status: 0 ok, 1 failure, 2 usage, 3 some input lines failed, 65 malformed file, 66 missing or unreadable \
            file, 69 no daemon, 70 bug in quern, 71 no more threads, 74 input/output error, 75 try again later, 77 not permitted, \
            78 configuration, 130 interrupted.
            """,
        version: version,
        subcommands: [
            Serve.self, Run.self, Chat.self, Map.self, Batch.self, Pack.self, Inspect.self, Tokenize.self, Detokenize.self, Count.self,
            Template.self, Schema.self, Logits.self, Bench.self, Eval.self, PlanCommand.self, Devices.self, Calibrate.self, Ps.self,
            Stop.self, Status.self, Top.self, Doctor.self, Limits.self,
        ])

    static func main() async {
        signal(SIGPIPE, SIG_IGN)    // a closed pipe is an error code from write, not a death
        signal(SIGXFSZ, SIG_IGN)
        // A standard stream that is closed must not become a file or a socket that somebody prints into.
        for descriptor in Int32(0)...2 where fcntl(descriptor, F_GETFD) < 0 { _ = open("/dev/null", O_RDWR) }
        do {
            // The runtime waits for ever for threads that the system does not start.
            try WorkerPool.require(threads: 4, for: "quern")
            var command = try parseAsRoot()
            if var asynchronous = command as? any AsyncParsableCommand {
                try await asynchronous.run()
            } else {
                try command.run()
            }
        } catch {
            Failure.report(error)
        }
    }
}
