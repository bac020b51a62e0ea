package plugin

import (
	"io/fs"
	"maps"
	"os"
	"slices"
	"unsafe"

	"golang.org/x/sys/windows"
)

const openFlags = os.O_RDONLY

// crowds are the groups that everybody is in who is at this machine, or comes from the network.
var crowds = map[windows.WELL_KNOWN_SID_TYPE]string{
	windows.WinWorldSid: "Everyone", windows.WinAuthenticatedUserSid: "Authenticated Users",
	windows.WinBuiltinUsersSid: "Users", windows.WinBuiltinGuestsSid: "Guests",
	windows.WinInteractiveSid: "INTERACTIVE", windows.WinNetworkSid: "NETWORK",
	windows.WinAnonymousSid: "ANONYMOUS LOGON",
}

// What an entry of an access control list allows.
const (
	reading windows.ACCESS_MASK = windows.FILE_READ_DATA | windows.GENERIC_READ | windows.GENERIC_ALL
	writing windows.ACCESS_MASK = windows.FILE_WRITE_DATA | windows.FILE_APPEND_DATA | windows.DELETE |
		windows.WRITE_DAC | windows.WRITE_OWNER | windows.GENERIC_WRITE | windows.GENERIC_ALL
)

// checkOwner returns an error if others could have written the file or, under the rule
// private, can read it. Single users and groups in the list are there because somebody has put
// them there: they are no others.
func checkOwner(f *os.File, path string, _ fs.FileInfo, rule access) error {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT,
		windows.OWNER_SECURITY_INFORMATION|windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return nil // the file system, or its server, tells nothing
	}
	if owner, _, err := sd.Owner(); err == nil && owner != nil && !trusted(owner) {
		return Errorf(Config, "%s belongs to another user (%s)", path, owner)
	}
	if crowd := allowed(sd, writing, false); crowd != "" {
		return Errorf(Config, "%s can be written by others (%s)", path, crowd).WithFix(CloseCommand(path)...)
	}
	if crowd := allowed(sd, reading, false); crowd != "" && rule == private {
		return Errorf(Config, "%s holds a secret and can be read by others (%s)", path, crowd).
			WithFix(CloseCommand(path)...)
	}
	return nil
}

// trusted reports whether a file of this owner is as good as one's own.
func trusted(owner *windows.SID) bool {
	token := windows.GetCurrentProcessToken()
	if user, err := token.GetTokenUser(); err == nil && user.User.Sid.Equals(owner) {
		return true
	}
	member, err := windows.Token(0).IsMember(owner) // of a group that owns what its members make
	const installer = "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"
	return err == nil && member || owner.IsWellKnown(windows.WinLocalSystemSid) ||
		owner.IsWellKnown(windows.WinBuiltinAdministratorsSid) || owner.String() == installer
}

// allowed returns the crowd that has one of the rights, or "". With below, the rights to what is
// in the directory count as well: everybody can reach it, whatever those to the directory are.
func allowed(sd *windows.SECURITY_DESCRIPTOR, rights windows.ACCESS_MASK, below bool) string {
	list, _, err := sd.DACL()
	if err != nil || list == nil {
		return "everybody, as there is no access control list"
	}
	for i := range uint32(list.AceCount) {
		var entry *windows.ACCESS_ALLOWED_ACE
		if windows.GetAce(list, i, &entry) != nil || entry.Header.AceType != windows.ACCESS_ALLOWED_ACE_TYPE ||
			!below && entry.Header.AceFlags&windows.INHERIT_ONLY_ACE != 0 || entry.Mask&rights == 0 {
			continue
		}
		who := (*windows.SID)(unsafe.Pointer(&entry.SidStart))
		for crowd, name := range crowds {
			if who.IsWellKnown(crowd) {
				return name
			}
		}
	}
	return ""
}

// checkParent returns nil: who replaces a file owns the new one, and [checkOwner] sees that.
func checkParent(string) error { return nil }

// OpenToOthers returns who else can read or write the open file or directory, or "".
func OpenToOthers(f *os.File) string {
	sd, err := windows.GetSecurityInfo(windows.Handle(f.Fd()), windows.SE_FILE_OBJECT,
		windows.DACL_SECURITY_INFORMATION)
	if err != nil {
		return ""
	}
	return allowed(sd, reading|writing, true)
}

// CloseCommand returns the command that closes a file to others.
func CloseCommand(path string) []string {
	words := []string{"icacls", path, "/inheritance:r"}
	if user, err := windows.GetCurrentProcessToken().GetTokenUser(); err == nil {
		words = append(words, "/grant:r", "*"+user.User.Sid.String()+":F")
	}
	words = append(words, "/remove:g")
	for _, crowd := range slices.Sorted(maps.Keys(crowds)) {
		if sid, err := windows.CreateWellKnownSid(crowd); err == nil {
			words = append(words, "*"+sid.String())
		}
	}
	return words
}

// CheckOwn returns nil: this system has other rules.
func CheckOwn(fs.FileInfo) error { return nil }
