import ArgumentParser
import Foundation
import Glibc
import Quern
import QuernCheckpoint
import QuernEngine
import QuernJSON
import QuernServer
import QuernTensor

/// Whether everything is as the daemon needs it.
struct Doctor: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Check configuration, sockets, models and machine; say what to do about what is wrong.",
        discussion: """
            Changes nothing. The exit status is 1 when a check failed; warnings are none.

            Examples:
              quern doctor
              quern doctor --json | jq '.checks[] | select(.state != "ok")'
            """)

    @Flag(help: "Print JSON.")
    var json = false

    @OptionGroup(title: "Configuration") var source: ConfigurationOptions
    @OptionGroup var sockets: SocketOptions

    func run() async throws {
        let checks = await checks()
        if json {
            let report: JSONValue = ["version": .string(Quern.version), "checks": .array(checks.map(\.json))]
            _ = try StandardOutput.write(report.serialized(.pretty) + "\n")
        } else {
            _ = try StandardOutput.write(checks.map { $0.line + "\n" }.joined())
        }
        if checks.contains(where: { $0.state == .failed }) { throw Failure(status: 1, message: "") }
    }

    private func checks() async -> [Check] {
        let environment = ProcessInfo.processInfo.environment
        let settings: Settings
        do {
            settings = try Settings(file: source.config, environment: environment)
        } catch {
            return [.failed("configuration", error.description, "correct it, or choose another file with --config")] + machine()
        }
        let warnings = settings.warnings.map { Check.warning("environment", $0, "unset it or correct its name") }
        return [.ok("configuration", settings.file ?? "no file; defaults and environment")] + warnings
            + directory(settings) + (await daemon(settings)) + models(settings) + machine()
    }

    private func directory(_ settings: Settings) -> [Check] {
        let path = URL(filePath: sockets.paths(settings).http).deletingLastPathComponent().path
        let name = "socket folder"
        guard let status = FileStatus(path: path) else {
            return settings.environment["XDG_RUNTIME_DIR"] == nil && sockets.socket == nil && settings.text(.socket) == nil
                ? [.warning(name, "XDG_RUNTIME_DIR is not set; \(path) will be used", "log in through a session manager, or set it")]
                : [.ok(name, "\(path) will be made")]
        }
        let mode = String(status.mode, radix: 8)
        guard status.ownerID == getuid() else { return [.failed(name, "\(path) belongs to uid \(status.ownerID)", "choose another --socket")] }
        guard status.mode & 0o022 == 0 else { return [.failed(name, "\(path) has mode \(mode)", "chmod 700 \(path)")] }
        return [.ok(name, "\(path), mode \(mode)")]
    }

    private func daemon(_ settings: Settings) async -> [Check] {
        let paths = sockets.paths(settings)
        let exists = FileManager.default.fileExists(atPath: paths.http)
        do {
            let health = try await APIClient(peer: .daemon(socket: paths.http)).get("/health")
            let owner = paths.owner.map { "pid \($0)" } ?? "started by another service"
            return [.ok("daemon", "\(health["status"]?.stringValue ?? "answers") on \(paths.http), \(owner)")]
        } catch {
            let reason = (error as? Failure)?.message ?? "\(error)"
            if let pid = paths.owner { return [.failed("daemon", "pid \(pid) holds the lock and does not answer: \(reason)", "quern stop --now")] }
            return exists
                ? [.warning("daemon", "\(paths.http) is a leftover of a daemon that was killed", "quern serve takes it over")]
                : [.warning("daemon", "none runs on \(paths.http)", "quern serve, or scripts/systemd/install.sh")]
        }
    }

    private func models(_ settings: Settings) -> [Check] {
        let named = settings.models.map { ($0.name, $0.path) } + (settings.text(.model).map { [("model", $0)] } ?? [])
        let found = ModelLocator.archives
        guard !named.isEmpty || !found.isEmpty else {
            return [.warning("models", "none in \(ModelLocator.folders.joined(separator: " or "))", "scripts/fetch-model.sh, then quern pack")]
        }
        return named.map { name, path in
            do {
                let checkpoint = try openCheckpoint(path: try ModelLocator.resolve(path, settings))
                return .ok("model \(name)", "\(checkpoint.path), \(checkpoint.format)")
            } catch {
                return .failed("model \(name)", (error as? Failure)?.message ?? "\(error)", "correct its path in the configuration")
            }
        } + (named.isEmpty ? [.ok("models", found.joined(separator: ", "))] : [])
    }

    private func machine() -> [Check] {
        var checks: [Check] = []
        let names = InstructionSet.supported
        checks.append(names.count > 1
            ? .ok("processor", "kernels for \(names.last ?? "")")
            : .warning("processor", "only the scalar kernels run here", "use a processor with AVX2 or NEON"))
        let (usable, all) = (ProcessorCount.available(), ProcessInfo.processInfo.processorCount)
        checks.append(.ok("threads", "\(usable) of \(all) processors, by affinity and cgroup"))
        checks.append(.ok("memory", "\(ProcessInfo.processInfo.physicalMemory >> 20) MiB in the machine"))
        var limit = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
        let needed = UInt(ServerLimits().connections + 64)
        // The daemon raises its limit to the hard one.
        checks.append(limit.rlim_max >= needed
            ? .ok("open files", "\(limit.rlim_max) allowed")
            : .warning("open files", "\(limit.rlim_max) allowed, \(needed) are needed for every connection", "ulimit -Hn \(needed)"))
        return checks
    }
}

/// One finding.
private struct Check {
    enum State: String {
        case ok, warning, failed
    }

    let state: State
    let name: String
    let detail: String
    let remedy: String?

    static func ok(_ name: String, _ detail: String) -> Check { Check(state: .ok, name: name, detail: detail, remedy: nil) }
    static func warning(_ name: String, _ detail: String, _ remedy: String) -> Check {
        Check(state: .warning, name: name, detail: detail, remedy: remedy)
    }
    static func failed(_ name: String, _ detail: String, _ remedy: String) -> Check {
        Check(state: .failed, name: name, detail: detail, remedy: remedy)
    }

    var line: String {
        let mark = state.rawValue.padding(toLength: 8, withPad: " ", startingAt: 0)
        return "\(mark) \(name): \(detail)" + (remedy.map { "\n         -> \($0)" } ?? "")
    }

    var json: JSONValue {
        [
            "name": .string(name), "state": .string(state.rawValue), "detail": .string(detail),
            "remedy": remedy.map { .string($0) } ?? .null,
        ]
    }
}
