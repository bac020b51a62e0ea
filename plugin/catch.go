package plugin

// Catch calls do, and returns its error. A panic in do becomes an error too. Each
// goroutine that jeton starts calls Catch, and so does what a library calls in one of its
// own: Go would print the value of the panic and all stacks, in which there are secrets.
func Catch(do func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = PanicError(r)
		}
	}()
	return do()
}

// PanicError returns the error for the value of a panic. That value can hold a secret,
// but its type is safe to print.
func PanicError(value any) *Error {
	return Errorf(Bug, "internal error (panic: %T)", value).
		WithHint("please report this, with the command that you ran")
}
