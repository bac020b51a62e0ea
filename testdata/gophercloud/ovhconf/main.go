// Command ovhconf prints what OVHcloud's own library reads in configuration files. For
// each line of standard input, the name of a folder with an ovh.conf, it prints one line
// of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"
	"reflect"

	"github.com/ovh/go-ovh/ovh"
)

// A reading is what the library reads in a file. Endpoint is the address of the API.
type reading struct{ Error, Endpoint, ApplicationKey, ClientID, ClientSecret string }

func main() {
	log.SetFlags(0)
	out := json.NewEncoder(os.Stdout)
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		if err := os.Chdir(lines.Text()); err != nil {
			log.Fatal(err)
		}
		r := reading{}
		if c, err := ovh.NewDefaultClient(); err != nil {
			r.Error = err.Error()
		} else {
			address := reflect.ValueOf(c).Elem().FieldByName("endpoint").String()
			r = reading{Endpoint: address, ApplicationKey: c.AppKey, ClientID: c.ClientID, ClientSecret: c.ClientSecret}
		}
		if err := out.Encode(r); err != nil {
			log.Fatal(err)
		}
	}
}
