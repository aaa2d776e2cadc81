using PciPass.Host;
using PciPass.Sim;
using Xunit;

namespace PciPass.Tests;

/// <summary>What replacing and removing files does, on the simulated host and, unchanged, on a real file system: one rule a test.</summary>
public abstract class FileContract
{
    /// <summary>A folder that is empty at a test's beginning.</summary>
    protected abstract string Folder { get; }

    protected abstract SysTree Files { get; }

    string Path => $"{Folder}/file";

    [Fact]
    public void A_file_is_made_with_its_folders_and_replaced_whole()
    {
        Files.ReplaceFile($"{Folder}/new/deep/file", "one\n"u8);
        Files.ReplaceFile($"{Folder}/new/deep/file", "two, and longer\n"u8);
        Files.ReplaceFile($"{Folder}/new/deep/file", "3"u8);
        Assert.Equal("3"u8.ToArray(), Files.ReadAll($"{Folder}/new/deep/file"));
    }

    [Fact]
    public void A_folder_that_is_not_there_yet_has_the_room_of_the_nearest_that_is()
    {
        Assert.NotNull(Files.Room(Folder));
        Assert.InRange(Files.Room($"{Folder}/not/there")!.Value, 1, long.MaxValue);
    }

    [Fact]
    public void Nothing_is_left_beside_a_replaced_file()
    {
        Files.ReplaceFile(Path, "one"u8);
        Files.ReplaceFile(Path, "two"u8);
        Assert.Equal(["file"], Files.List(Folder));
    }

    [Fact]
    public void A_folder_in_a_files_place_is_not_replaced()
    {
        Files.MakeDirectory(Path);
        Assert.ThrowsAny<HostFailure>(() => Files.ReplaceFile(Path, "x"u8));
        Assert.Equal(["file"], Files.List(Folder));
    }

    [Fact]
    public void A_file_that_is_removed_is_gone_and_removing_it_again_does_nothing()
    {
        Files.ReplaceFile(Path, "one"u8);
        Files.RemoveFile(Path);
        Files.RemoveFile(Path);
        Assert.Null(Files.ReadAll(Path));
        Assert.Empty(Files.List(Folder));
    }

    [Fact]
    public void A_file_that_must_be_new_is_not_made_where_one_is()
    {
        Files.ReplaceFile(Path, "one"u8);
        Assert.Equal(Errno.EEXIST, Assert.ThrowsAny<HostFailure>(() => Files.CreateFile(Path, "two"u8)).ErrorNumber);
        Assert.Equal("one"u8.ToArray(), Files.ReadAll(Path));
    }

    [Fact]
    public void A_large_file_is_read_to_its_end_as_a_stream()
    {
        var bytes = new byte[300_000];
        new Random(1).NextBytes(bytes);
        Files.ReplaceFile(Path, bytes);
        using var stream = Files.OpenFile(Path)!;
        using var read = new MemoryStream();
        stream.CopyTo(read);
        Assert.Equal(bytes, read.ToArray());
        Assert.Null(Files.OpenFile($"{Folder}/none"));
    }
}

/// <summary>The rules of files on the simulated host.</summary>
public sealed class FileContractOnSimulator : FileContract
{
    readonly SimHost host = Machines.Make("");

    protected override string Folder => "/srv/contract";

    protected override SysTree Files => host.Files;

    public FileContractOnSimulator() => Files.MakeDirectory(Folder);
}

/// <summary>The rules of files on the file system of the machine that runs the tests.</summary>
public sealed class FileContractOnLinux : FileContract, IDisposable
{
    readonly LinuxSystem system = new();

    protected override string Folder { get; } = Directory.CreateTempSubdirectory("pcipass-files").FullName;

    protected override SysTree Files => system.Files;

    public void Dispose()
    {
        system.Dispose();
        Directory.Delete(Folder, recursive: true);
    }
}
