// From `--device` to a profile: a built-in name, `host`, or a file.
import Foundation
import QuernPlanner
import QuernServer
import QuernTensor

enum ProfileLocator {
    /// Where `quern calibrate` keeps what it measured.
    static var hostPath: String {
        let environment = ProcessInfo.processInfo.environment
        let data = environment["XDG_DATA_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.local/share"
        return data + "/quern/devices/host.profile"
    }

    /// The device when none is named: this host once calibrated, else the device quern was made for.
    static var defaultName: String { FileManager.default.fileExists(atPath: hostPath) ? "host" : "zhenwu-810e" }

    static func profile(_ name: String) throws -> DeviceProfile {
        if name == "host" {
            guard FileManager.default.fileExists(atPath: hostPath) else {
                throw Failure.missing("this host is not measured yet: run `quern calibrate` (under 20 s)")
            }
            return try read(hostPath, id: "host")
        }
        if let builtIn = try DeviceProfile.builtIn(name) { return builtIn }
        guard FileManager.default.fileExists(atPath: name) else {
            let known = (["host"] + DeviceProfile.builtInNames).joined(separator: ", ")
            throw Failure.missing("no device \"\(name)\": it is neither a file nor one of \(known)")
        }
        return try read(name, id: ((name as NSString).lastPathComponent as NSString).deletingPathExtension)
    }

    /// The device that a model stands for, else this host once it was measured; nil when neither is there.
    static func walls(_ device: ServedDevice? = nil) throws -> DeviceWalls? {
        guard device != nil || FileManager.default.fileExists(atPath: hostPath) else { return nil }
        let profile = try device?.profile ?? profile("host")
        guard let bandwidth = profile.readBandwidth else { return nil }
        return DeviceWalls(
            id: profile.id, name: profile.name, readBandwidth: bandwidth, multiplyRate: profile.multiplyRate,
            memoryBudget: device?.memoryBudget, isPaced: device?.isPaced ?? false)
    }

    /// The same for what must not fail because this host's profile is of another version: nil and a warning then.
    static func wallsIfReadable(_ device: ServedDevice?) -> DeviceWalls? {
        do {
            return try walls(device)
        } catch {
            Terminal.note("quern: warning: \(error); `quern calibrate` makes it anew")
            return nil
        }
    }

    private static func read(_ path: String, id: String) throws -> DeviceProfile {
        let bytes: [UInt8]
        do throws(FileError) {
            let file = try RandomAccessFile(path: path)
            // One byte more than allowed is enough for the reader to refuse it.
            bytes = try file.read(count: min(file.byteCount, DeviceProfile.maxByteCount + 1), at: 0)
        } catch {
            throw Failure.missing("\(path): \(error)")
        }
        return try DeviceProfile(parsing: bytes, id: id, file: path)
    }
}
