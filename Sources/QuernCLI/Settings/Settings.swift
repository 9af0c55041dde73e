// The settings in force: command line over environment over configuration file over built-in default.
//
// Owns: that order, and where each value came from. Command-line options are the commands' own: they ask here only for what
// was not given there. Invariant: a wrong value anywhere is an error with its place, never a silent default.
import ArgumentParser
import Foundation

struct Settings: Sendable {
    private struct Entry: Sendable {
        let value: SettingValue
        let origin: String
    }

    private var entries: [SettingKey: Entry] = [:]
    /// Models by name, from the file.
    private(set) var models: [ModelSettings] = []
    /// The configuration file, when there is one.
    private(set) var file: String?
    /// Variables that look like settings and are none.
    private(set) var warnings: [String] = []
    let environment: [String: String]

    /// Variables of ours that are no settings.
    private static let otherVariables = ["QUERN_CONFIG"]

    /// - Parameter path: a file that must exist; nil takes `QUERN_CONFIG`, else the default file if it exists.
    init(file path: String?, environment: [String: String]) throws(ConfigurationError) {
        self.environment = environment
        func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }
        let wanted = path ?? variable("QUERN_CONFIG")
        if let found = wanted ?? Self.defaultFile(environment), wanted != nil || FileManager.default.fileExists(atPath: found) {
            let configuration = try ConfigurationFile(path: found)
            file = found
            models = configuration.models
            for (key, entry) in configuration.values { entries[key] = Entry(value: entry.value, origin: "\(found):\(entry.line)") }
        }
        for key in SettingKey.allCases {
            guard let text = variable(key.variable) else { continue }
            guard let value = key.kind.value(of: text) else {
                throw ConfigurationError(description: "\(key.variable) is \"\(text.prefix(64))\", expected \(key.kind.expectation)")
            }
            entries[key] = Entry(value: value, origin: key.variable)
        }
        let known = SettingKey.allCases.map(\.variable) + Self.otherVariables
        warnings = environment.keys.filter { $0.hasPrefix("QUERN_") && !known.contains($0) }.sorted().map {
            "\($0) in the environment is no setting of quern\(NearestName.hint($0, among: known))"
        }
    }

    /// `$XDG_CONFIG_HOME/quern/config.json`, else `~/.config/quern/config.json`.
    static func defaultFile(_ environment: [String: String]) -> String? {
        if let home = environment["XDG_CONFIG_HOME"], home.hasPrefix("/") { return home + "/quern/config.json" }
        return environment["HOME"].flatMap { $0.isEmpty ? nil : $0 + "/.config/quern/config.json" }
    }

    func text(_ key: SettingKey) -> String? {
        if case .text(let text)? = entries[key]?.value { text } else { nil }
    }

    func integer(_ key: SettingKey) -> Int? {
        if case .integer(let number)? = entries[key]?.value { number } else { nil }
    }

    func flag(_ key: SettingKey) -> Bool? {
        if case .flag(let flag)? = entries[key]?.value { flag } else { nil }
    }

    /// `CONFIG.json:7` or `QUERN_THREADS`; nil for a setting that nobody made.
    func origin(_ key: SettingKey) -> String? { entries[key]?.origin }
}

/// Where settings come from.
struct ConfigurationOptions: ParsableArguments {
    @Option(help: "Configuration file (default: $QUERN_CONFIG, else $XDG_CONFIG_HOME/quern/config.json, else ~/.config/quern/config.json).")
    var config: String?

    /// Reads them; warnings go to stderr.
    func settings() throws -> Settings {
        let settings = try Settings(file: config, environment: ProcessInfo.processInfo.environment)
        for warning in settings.warnings { Terminal.note("quern: warning: \(warning)") }
        return settings
    }
}
