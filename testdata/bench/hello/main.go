// Command hello says so: what a Go program costs that does nothing else.
package main

import "os"

func main() { os.Stdout.WriteString("hello\n") }
