/*
 * A bcryptprimitives.dll that lets programs of today's Go run under wine 8.0, which lacks that
 * library, and one error code.
 */
#include <windows.h>

/* ntsecapi.h calls it RtlGenRandom, which is not the name that advapi32.dll exports. */
BOOLEAN WINAPI SystemFunction036(PVOID buffer, ULONG size);

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE buffer, SIZE_T size)
{
	return SystemFunction036(buffer, (ULONG)size);
}

static LONG (WINAPI *set_file)(HANDLE file, PVOID io, PVOID info, ULONG size, ULONG class);

/*
 * To delete a file, Go first asks for what Windows 10 can do. Of an older Windows it knows how
 * that refuses; wine refuses with STATUS_NOT_IMPLEMENTED instead of STATUS_INVALID_INFO_CLASS.
 */
static LONG WINAPI set_file_as_old_windows(HANDLE file, PVOID io, PVOID info, ULONG size, ULONG class)
{
	LONG status = set_file(file, io, info, size, class);

	return status == (LONG)0xC0000002 ? (LONG)0xC0000003 : status;
}

BOOL WINAPI DllMain(HINSTANCE self, DWORD reason, PVOID reserved)
{
	enum { stub_size = 32 }; /* of wine's system calls, which run wherever they are copied to */
	BYTE jump[] = { 0x48, 0xB8, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xE0 }; /* mov rax, ...; jmp rax */
	PVOID target = (PVOID)set_file_as_old_windows;
	BYTE *stub = (BYTE *)GetProcAddress(GetModuleHandleA("ntdll.dll"), "NtSetInformationFile");
	BYTE *copy;
	DWORD old;

	if (reason != DLL_PROCESS_ATTACH)
		return TRUE;
	copy = VirtualAlloc(NULL, stub_size, MEM_COMMIT, PAGE_EXECUTE_READWRITE);
	if (!stub || !copy || !VirtualProtect(stub, stub_size, PAGE_EXECUTE_READWRITE, &old))
		return FALSE;
	CopyMemory(copy, stub, stub_size);
	set_file = (PVOID)copy;
	CopyMemory(jump + 2, &target, sizeof target);
	CopyMemory(stub, jump, sizeof jump);
	return TRUE;
}
