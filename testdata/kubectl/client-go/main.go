// Command client-go is a long-lived Kubernetes client, as k9s is one: for so many
// seconds it asks the clusters of some contexts who it is, each once a second, and
// prints how often, how often it was refused, and with how many credentials.
//
// usage: client-go KUBECONFIG SECONDS CONTEXT…
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// A counter counts the credentials that requests carry.
type counter struct {
	next http.RoundTripper
	mu   *sync.Mutex
	seen map[string]bool
}

func (c counter) RoundTrip(r *http.Request) (*http.Response, error) {
	c.mu.Lock()
	c.seen[r.Header.Get("Authorization")] = true
	c.mu.Unlock()
	return c.next.RoundTrip(r)
}

func main() {
	log.SetFlags(0)
	life, err := time.ParseDuration(os.Args[2] + "s")
	if err != nil {
		log.Fatal(err)
	}
	var mu sync.Mutex
	seen := map[string]bool{}
	var clients []*rest.RESTClient
	for _, name := range os.Args[3:] {
		config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(
			&clientcmd.ClientConfigLoadingRules{ExplicitPath: os.Args[1]},
			&clientcmd.ConfigOverrides{CurrentContext: name}).ClientConfig()
		if err != nil {
			log.Fatal(err)
		}
		config.QPS = -1
		// Wrapped before the credential is added, so that it sees it.
		config.Wrap(func(next http.RoundTripper) http.RoundTripper { return counter{next, &mu, seen} })
		config.NegotiatedSerializer = scheme.Codecs.WithoutConversion()
		client, err := rest.UnversionedRESTClientFor(config)
		if err != nil {
			log.Fatal(err)
		}
		clients = append(clients, client)
	}
	requests, refused := 0, 0
	for end := time.Now().Add(life); ; time.Sleep(time.Second) {
		for _, client := range clients {
			requests++
			var status int
			err := client.Post().AbsPath("/apis/authentication.k8s.io/v1/selfsubjectreviews").Body([]byte("{}")).
				Do(context.Background()).StatusCode(&status).Error()
			if status == http.StatusUnauthorized {
				refused++
			} else if err != nil {
				log.Fatal(err)
			}
		}
		if !time.Now().Before(end) {
			break
		}
	}
	fmt.Printf("%d requests, %d refused, %d credentials\n", requests, refused, len(seen))
}
