// From what the user typed to a model file: a name in the configuration, a path, a name in a model folder, the `model` setting,
// or the only archive there is.
import Foundation

enum ModelLocator {
    /// Folders searched for names, in order.
    static var folders: [String] {
        let environment = ProcessInfo.processInfo.environment
        let data = environment["XDG_DATA_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.local/share"
        return ["models", data + "/quern/models"]
    }

    /// The archives in them.
    static var archives: [String] {
        folders.flatMap { folder in
            ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
                .filter { $0.hasSuffix(".quern") }.sorted().map { "\(folder)/\($0)" }
        }
    }

    static func resolve(_ given: String?, _ settings: Settings) throws -> String {
        if let name = given ?? settings.text(.model) {
            return try find(settings.models.first { $0.name.utf8.elementsEqual(name.utf8) }?.path ?? name)
        }
        let archives = archives
        if archives.count == 1 { return archives[0] }
        if archives.isEmpty {
            throw Failure.missing(
                "no model given and none found in \(folders.joined(separator: " or ")); pack one with `quern pack`, or name a file")
        }
        throw Failure.usage("several models found, name one of: \(archives.joined(separator: ", "))")
    }

    private static func find(_ name: String) throws -> String {
        if FileManager.default.fileExists(atPath: name) { return name }
        let candidates = folders.flatMap { ["\($0)/\(name)", "\($0)/\(name).quern"] }
        if !name.contains("/"), let found = candidates.first(where: { FileManager.default.fileExists(atPath: $0) }) { return found }
        let looked = name.contains("/") ? name : ([name] + candidates).joined(separator: ", ")
        throw Failure.missing("no model \"\(name)\"; looked at \(looked)")
    }
}
