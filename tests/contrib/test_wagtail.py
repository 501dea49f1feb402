"""A stock Wagtail project with the documented lines: each edit changes all the URLs that show it and no other, everywhere, at once."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from tests.contrib.project import DOCUMENTED, ROOT, tokens

if TYPE_CHECKING:
    from tests.contrib.conftest import Magazine

pytestmark = pytest.mark.timeout(240)

INDEXES = {"/sitemap.xml", "/search/?query=article"}
"""What names every page with its date, or may find any."""
GET = "page = Page.objects.get(url_path='/front/{}/').specific\n"
PUBLISH = "page.save_revision().publish()\n"


def edit(path: str, code: str, then: str = PUBLISH) -> str:
    """Code that changes and publishes a page."""
    return GET.format(path) + code + "\n" + then


def test_second_visits_are_hits(magazine: Magazine) -> None:
    """Pages, sections, 404s, redirects, feeds and the sitemap, in every worker."""
    urls = [*magazine.urls(), "/en/nothing/", "/en/s0/nothing/", "/nothing/"]
    magazine.warmed(urls)
    statuses = {url: magazine.get(url).status for url in urls}
    assert statuses["/en/nothing/"] == 404
    assert statuses["/nothing/"] == 302
    assert {url for url, status in statuses.items() if status == 200} >= {"/sitemap.xml", "/feed/", "/en/", "/de/"}


def test_a_draft_changes_nothing(magazine: Magazine) -> None:
    """Neither of a page, nor a new page, nor of a snippet."""
    assert magazine.affected(edit("s1/a0", "page.title = 'Secret'", "page.save_revision()")) == set()
    code = "page.add_child(instance=Article(title='Draft', slug='draft', live=False, locale=page.locale))"
    assert magazine.affected(GET.format("s1") + code) == set()
    assert (
        magazine.affected("a = Author.objects.get(name__startswith='Ada'); a.secret = 'x'; a.save_revision()") == set()
    )


def test_a_body_changes_its_page_and_what_names_dates(magazine: Magazine) -> None:
    """Not the lists that show its title and its intro, and not what links to it."""
    code = edit("s0/a3", "page.body = [('text', '<p>Another body</p>')]")
    assert magazine.affected(code) == {"/en/s0/a3/"} | INDEXES
    assert "Another body" in magazine.text("/en/s0/a3/", 0)
    assert "Another body" in magazine.text("/en/s0/a3/", 1)


def test_publishing_twice_does_not_move_a_page_in_lists(magazine: Magazine) -> None:
    """A revision keeps milliseconds of the time of first publication, the row microseconds: that is no change."""
    at = "Page.objects.filter(url_path='/front/s1/a3/').update(first_published_at='2026-01-01T00:00:00.123456Z')"
    magazine.run(at)
    code = (
        GET.format("s1/a3")
        + "r = page.save_revision(); page = r.as_object(); page.body = []; page.save_revision().publish()"
    )
    assert magazine.affected(code) == {"/en/s1/a3/"} | INDEXES


def test_an_intro_changes_what_shows_it(magazine: Magazine) -> None:
    """The page, its section and the feed."""
    code = edit("s2/a1", "page.intro = 'A better intro'")
    assert magazine.affected(code) == {"/en/s2/a1/", "/en/s2/", "/feed/"} | INDEXES
    assert "A better intro" in magazine.text("/en/s2/", 1)


@pytest.mark.thorough
def test_a_title_in_the_menu_changes_every_page(magazine: Magazine) -> None:
    """A page in a menu that editors put together is renamed; who does not show the menu stays."""
    urls = magazine.urls()
    lost = magazine.affected(edit("s0/a3", "page.title += '!'"))
    pages = {url for url in urls if url.startswith(("/en/", "/de/"))}
    assert lost == pages | INDEXES | {"/feed/"} or lost == pages | INDEXES


def test_a_new_page_appears(magazine: Magazine) -> None:
    """In its section, among the newest, in feed and sitemap, and where there was nothing."""
    urls = [*magazine.warmed(), "/en/s1/brand-new/", "/en/s1/brand-new/deep/"]
    magazine.warmed(urls)
    code = "page.add_child(instance=Article(title='Brand new article', slug='brand-new', locale=page.locale))"
    magazine.run(GET.format("s1") + code)
    where = {"/en/s1/", "/en/", "/de/", "/feed/", "/en/s1/brand-new/", "/en/s1/brand-new/deep/"} | INDEXES
    assert magazine.lost(urls) == where
    assert magazine.get("/en/s1/brand-new/", 1).status == 200
    assert "Brand new" in magazine.text("/en/s1/", 0)
    magazine.run("Page.objects.get(slug='brand-new').delete()")
    assert magazine.get("/en/s1/brand-new/", 1).status == 404


@pytest.mark.thorough
def test_the_first_child_of_an_empty_section_appears(magazine: Magazine) -> None:
    """Where a section had none, no query could tell what it depends on; the number of its children does."""
    lost = magazine.affected(
        GET.format("empty") + "page.add_child(instance=Section(title='Inside', slug='inside', locale=page.locale))"
    )
    assert "/en/empty/" in lost
    assert lost <= {"/en/empty/"} | INDEXES
    magazine.run("Page.objects.get(slug='inside').delete()")


def test_unpublishing_and_publishing_again(magazine: Magazine) -> None:
    """The page, its section, what lists it; and all of that again."""
    where = {"/en/s2/a2/", "/en/s2/", "/feed/", "/en/", "/de/"} | INDEXES
    assert magazine.affected(GET.format("s2/a2") + "page.unpublish()") == where
    assert magazine.get("/en/s2/a2/", 1).status == 404
    assert "Article 2.2" not in magazine.text("/en/s2/", 1)
    magazine.warmed(["/en/s2/a2/"])
    magazine.run(GET.format("s2/a2") + PUBLISH)
    assert magazine.get("/en/s2/a2/", 0).status == 200
    assert magazine.get("/en/s2/a2/", 1).status == 200


def test_moving_a_page(magazine: Magazine) -> None:
    """It leaves one section for the other, with its URL."""
    urls = [*magazine.warmed(), "/en/s2/traveller/"]
    magazine.run(
        GET.format("s1") + "page.add_child(instance=Article(title='Traveller', slug='traveller', locale=page.locale))"
    )
    magazine.warmed([*urls, "/en/s1/traveller/"])
    magazine.run(
        "Page.objects.get(slug='traveller').specific.move(Page.objects.get(url_path='/front/s2/'), pos='last-child')"
    )
    lost = magazine.lost([*urls, "/en/s1/traveller/"])
    assert {"/en/s1/", "/en/s2/", "/en/s1/traveller/", "/en/s2/traveller/", "/sitemap.xml"} <= lost
    assert not lost & {"/en/s0/", "/en/s0/a0/", "/en/s1/a1/", "/en/s2/a1/", "/de/"}
    assert magazine.get("/en/s2/traveller/", 1).status == 200
    assert magazine.get("/en/s1/traveller/", 1).status in {301, 404}
    magazine.run("Page.objects.get(slug='traveller').delete()")


@pytest.mark.thorough
def test_renaming_a_section_moves_all_below(magazine: Magazine) -> None:
    """A slug is part of the URL of every page below."""
    magazine.run(
        "front = Front.objects.get(slug='front')\n"
        "s = front.add_child(instance=Section(title='Old', slug='old', locale=front.locale))\n"
        "s.add_child(instance=Section(title='Below', slug='below', locale=front.locale))"
    )
    urls = [*magazine.warmed(), "/en/new/", "/en/new/below/"]
    magazine.warmed(urls)
    magazine.run("s = Section.objects.get(slug='old'); s.slug = 'new'; s.save_revision().publish()")
    lost = magazine.lost(urls)
    assert lost >= {"/en/old/", "/en/old/below/", "/en/new/", "/en/new/below/", "/sitemap.xml"}
    assert not lost & {"/en/", "/en/s0/", "/en/s0/a0/", "/en/nothing/", "/feed/"}
    assert magazine.get("/en/new/below/", 1).status == 200
    assert magazine.get("/en/old/below/", 1).status in {301, 404}
    magazine.run("Page.objects.get(slug='new').delete()")


def test_restricting_a_page(magazine: Magazine) -> None:
    """It leaves the public lists, is for nobody without a password, and is never stored."""
    urls = magazine.warmed()
    magazine.run(
        GET.format("s2/a3") + "PageViewRestriction.objects.create(page=page, restriction_type='password', password='x')"
    )
    lost = magazine.lost(urls)
    assert {"/en/s2/a3/", "/sitemap.xml", "/en/"} <= lost
    assert not lost & {"/en/s0/", "/en/s2/", "/en/s2/a2/", "/feed/", "/en/s0/a0/"}
    for worker in (0, 1, 0, 1):
        answer = magazine.get("/en/s2/a3/", worker)
        assert answer.level is None
        assert b"password" in answer.body
    magazine.run("PageViewRestriction.objects.all().delete()")
    assert "Intro 2.3" in magazine.text("/en/s2/a3/", 1)


def test_a_snippet_changes_the_pages_that_show_it(magazine: Magazine) -> None:
    """When it is published."""
    lost = magazine.affected(
        "a = Author.objects.get(name__startswith='Ada'); a.name += ' L.'; a.save_revision().publish()"
    )
    articles = {f"/en/s{section}/a{number}/" for section in range(3) for number in (1, 3)}
    assert lost >= articles
    assert not lost & {"/en/s0/", "/en/", "/feed/", "/en/s0/a0/", "/en/s0/a2/", "/sitemap.xml"}


def test_an_image_changes_the_pages_that_show_it(magazine: Magazine) -> None:
    """A new description of it."""
    lost = magazine.affected(
        "from wagtail.images import get_image_model\ni = get_image_model().objects.get(); i.title += '!'; i.save()"
    )
    assert lost - {"/search/?query=article"} == {f"/en/s{section}/a1/" for section in range(3)}


@pytest.mark.thorough
def test_parts_of_a_page_belong_to_it(magazine: Magazine) -> None:
    """A picture in its gallery and a tag change it and no other."""
    code = "page.pictures.add(Picture(caption='A view')); page.tags.add('views')"
    assert magazine.affected(edit("s1/a2", code)) == {"/en/s1/a2/"} | INDEXES
    assert "A view" in magazine.text("/en/s1/a2/", 1)
    assert "#views" in magazine.text("/en/s1/a2/", 1)


@pytest.mark.thorough
def test_a_flag_changes_the_list_that_chooses_by_it(magazine: Magazine) -> None:
    """The front page lists what is featured; an article that was not on it comes onto it."""
    lost = magazine.affected(edit("s1/a1", "page.featured = True"))
    assert {"/en/", "/en/s1/a1/"} <= lost
    assert not lost & {"/en/s1/", "/feed/", "/en/s0/a0/"}
    assert "Article 1.1" in magazine.text("/en/", 1)
    magazine.run(edit("s1/a1", "page.featured = False"))
    assert "Article 1.1" not in magazine.text("/en/", 1)


def test_a_translation_changes_alone(magazine: Magazine) -> None:
    """The English page names the German one, and does not show its body."""
    code = (
        "page = Article.objects.get(locale__language_code='de'); page.body = [('text', '<p>Ein Text</p>')]\n" + PUBLISH
    )
    lost = magazine.affected(code)
    assert len(lost - INDEXES) == 1
    (url,) = lost - INDEXES
    assert url.startswith("/de/")
    assert "Ein Text" in magazine.text(url, 1)


@pytest.mark.thorough
def test_a_menu_and_a_setting(magazine: Magazine) -> None:
    """What stands on every page changes every page, and neither feed nor sitemap."""
    for code in (
        "MenuItem.objects.create(menu=Menu.objects.get(), page=Page.objects.get(url_path='/front/s1/'))",
        "f = Footer.objects.get(); f.text += '.'; f.save()",
    ):
        lost = magazine.affected(code)
        assert {"/en/", "/de/", "/en/s0/a0/", "/en/s2/"} <= lost
        assert not lost & {"/feed/", "/sitemap.xml", "/en/nothing/"}
    magazine.run("MenuItem.objects.last().delete()")


def test_a_redirect_takes_the_place_of_a_404(magazine: Magazine) -> None:
    """Of that one only."""
    urls = magazine.warmed(["/en/moved-away/", *magazine.urls()])
    magazine.run("Redirect.objects.create(old_path='/en/moved-away', redirect_link='/en/s0/')")
    assert magazine.lost(urls) == {"/en/moved-away/"}
    assert magazine.get("/en/moved-away/", 1).status == 301
    magazine.warmed(["/en/moved-away/"])
    magazine.run("Redirect.objects.all().delete()")
    assert magazine.get("/en/moved-away/", 1).status == 404


def test_sites_and_locales_change_everything(magazine: Magazine) -> None:
    """Fragments, too: a breadcrumb that is kept by itself has its URLs from the root of the site."""
    seen = ["/en/", "/de/", "/en/s0/a1/", "/feed/", "/sitemap.xml", "/en/nothing/"]
    changes = {
        "root": "site = Site.objects.get(); front = site.root_page\nsite.root_page = Page.objects.get(url_path='/front/s0/')\nsite.save()",
        "moved back": "site.root_page = front; site.save()",
        "host": "site.hostname = 'magazine.example'; site.save()",
        "renamed back": "site.hostname = 'localhost'; site.save()",
        "in bulk": "Site.objects.update(hostname='magazine.example')",
        "back in bulk": "Site.objects.update(hostname='localhost')",
        "locale": "french = Locale.objects.create(language_code='fr')",
        "changed locale": "french.language_code = 'it'; french.save()",
        "gone locale": "french.delete()",
    }
    for name, code in changes.items():
        urls = magazine.warmed(["/en/a1/", "/en/nothing/"] if name == "moved back" else seen)
        magazine.run(code)
        assert magazine.lost(urls) == set(urls), name
        if name == "root":
            for worker in (0, 1):
                assert '<a rel="up" href="/en/">Section 0</a>' in magazine.text("/en/a1/", worker)


@pytest.mark.thorough
def test_scheduled_publishing_and_expiry(magazine: Magazine) -> None:
    """`publish_scheduled` runs in a process without a middleware, and purges through Redis."""
    magazine.run(
        GET.format("s0") + "from datetime import timedelta\n"
        "page = page.add_child(instance=Article(title='Later', slug='later', live=False, locale=page.locale))\n"
        "page.go_live_at = timezone.now() + timedelta(hours=1)\npage.save_revision().publish()"
    )
    magazine.warmed(["/en/s0/later/", "/en/s0/"])
    assert magazine.get("/en/s0/later/").status == 404
    # As if the hour had passed.
    magazine.run(
        "from wagtail.models import Revision\n"
        "revision, = Revision.objects.filter(approved_go_live_at__isnull=False)\n"
        "revision.approved_go_live_at = timezone.now() - timedelta(seconds=1)\n"
        "revision.content['go_live_at'] = revision.approved_go_live_at.isoformat()\n"
        "revision.save()"
    )
    done = magazine.project.manage("publish_scheduled", env=magazine.env)
    assert done.returncode == 0, done.stderr
    assert magazine.get("/en/s0/later/", 0).status == 200
    assert magazine.get("/en/s0/later/", 1).status == 200
    assert "Later" in magazine.text("/en/s0/", 1)
    magazine.run("Page.objects.get(slug='later').delete()")


@pytest.mark.thorough
def test_a_redirect_made_in_the_admin(magazine: Magazine) -> None:
    """Takes the place of the 404 at its path, and of nothing else."""
    urls = magazine.warmed(["/en/gone-away/", *magazine.urls()])
    page = str(magazine.run(GET.format("s0") + "result = page.pk"))
    values = {"old_path": "/en/gone-away", "is_permanent": "on", "redirect_page": page}
    sent = magazine.submit("/admin/redirects/add/", magazine.login(), **values)
    assert sent.status == 302, sent.body
    assert magazine.lost(urls) == {"/en/gone-away/"}
    assert [magazine.get("/en/gone-away/", worker).status for worker in (0, 1)] == [301, 301]
    magazine.run("Redirect.objects.all().delete()")


@pytest.mark.thorough
def test_a_schedule_made_in_the_admin(magazine: Magazine) -> None:
    """Expiry bounds the lifetime of a page at once and ends it in its minute; nothing shows before a page goes live."""
    number = magazine.run(
        GET.format("s0") + "result = page.add_child(instance=Section(title='Fair', slug='fair', locale=page.locale)).pk"
    )
    address, cookie = f"/admin/pages/{number}/edit/", magazine.login()
    soon = "from datetime import timedelta\nresult = (timezone.now() + timedelta(minutes=3)).strftime('%Y-%m-%d %H:%M')"
    when = {"go_live_at": "", "expire_at": magazine.run(soon), "action-publish": "action-publish"}
    sent = magazine.submit(address, cookie, **when)
    assert sent.status == 302, sent.body
    for worker in (0, 1):
        magazine.get("/en/s0/fair/", worker)
        left = re.search(r"ttl=(\d+)", magazine.get("/en/s0/fair/", worker).cache_status)
        assert left
        assert int(left[1]) <= 180
    urls = magazine.warmed(["/en/s0/fair/", "/en/s0/", "/en/s0/a0/"])
    magazine.run(f"Page.objects.filter(pk={number}).update(expire_at=timezone.now())")
    command = "publish_scheduled"
    assert magazine.project.manage(command, env=magazine.env).returncode == 0
    assert magazine.lost(urls) == {"/en/s0/fair/", "/en/s0/"}
    assert [magazine.get("/en/s0/fair/", worker).status for worker in (0, 1)] == [404, 404]
    magazine.warmed(urls)
    when = {"go_live_at": magazine.run(soon), "expire_at": "", "action-publish": "action-publish"}
    assert magazine.submit(address, cookie, **when).status == 302
    assert magazine.lost(urls) == set()
    magazine.run(
        "from wagtail.models import Revision\n"
        "for revision in Revision.objects.filter(approved_go_live_at__isnull=False):\n"
        "    revision.approved_go_live_at = timezone.now()\n"
        "    revision.content['go_live_at'] = revision.approved_go_live_at.isoformat()\n    revision.save()"
    )
    assert magazine.project.manage(command, env=magazine.env).returncode == 0
    assert magazine.lost(urls) == {"/en/s0/fair/", "/en/s0/"}
    assert [magazine.get("/en/s0/fair/", worker).status for worker in (0, 1)] == [200, 200]
    magazine.run(f"Page.objects.get(pk={number}).delete()")


def test_an_editor_sees_no_cached_page_and_fills_nothing(magazine: Magazine) -> None:
    """The userbar is the proof: an editor has it on a page that is cached, and nobody else ever has."""
    magazine.warmed(["/en/s0/a2/"])
    cookie = magazine.login()
    for worker in (0, 1):
        seen = magazine.get("/en/s0/a2/", worker, cookie)
        assert seen.level is None
        assert b"wagtail-userbar" in seen.body
    magazine.run(edit("s0/a2", "page.body = [('text', '<p>For all</p>')]"))
    assert b"wagtail-userbar" in magazine.get("/en/s0/a2/", 0, cookie).body
    for worker in (0, 1, 0):
        assert b"wagtail-userbar" not in magazine.get("/en/s0/a2/", worker).body


def test_a_preview_is_its_editors(magazine: Magazine) -> None:
    """It is never stored nor from the cache, and leaves nothing in it, no fragment either: a visitor afterwards has a miss, and the live page."""
    urls = magazine.warmed(["/en/s1/", "/en/s1/a1/"])
    number = magazine.run(
        "from cms_cache_mw.contrib.django import purge\n"
        + GET.format("s1")
        + "purge(f'page:{page.pk}', f'url:{page.pk}'); result = page.pk"
    )
    address, cookie = f"/admin/pages/{number}/edit/", magazine.login()
    sent = magazine.submit(address, cookie, f"{address}preview/", title="Not yet")
    assert b'"is_valid": true' in sent.body
    for worker in (0, 1, 0, 1):
        shown = magazine.get(f"{address}preview/", worker, cookie)
        assert b"<title>Not yet</title>" in shown.body
        assert "hit" not in shown.cache_status
        assert "stored" not in shown.cache_status
    assert magazine.lost(urls) == set(urls)
    for worker in (0, 1):
        assert "<title>Section 1</title>" in magazine.text("/en/s1/", worker)
        assert not any("Not yet" in magazine.text(url, worker) for url in urls)


def test_forms_work_for_two_visitors_at_once(magazine: Magazine) -> None:
    """Each has a token and a cookie of their own."""
    visitors = [(magazine.get("/en/form/", worker), worker) for worker in (0, 0, 1)]
    assert all(answer.level is None for answer, _ in visitors)
    for answer, worker in visitors:
        cookie = re.search(r"csrftoken=\w+", answer.field("set-cookie") or "")
        assert cookie
        form = urlencode({"csrfmiddlewaretoken": tokens(answer.body.decode()), "name": "Somebody"}).encode()
        headers = {"cookie": cookie[0], "content-type": "application/x-www-form-urlencoded"}
        sent = magazine.clients[worker].ask("POST", "/en/form/", form, headers)
        assert sent.status == 200
        assert b"Thank you" in sent.body
        assert magazine.get("/en/s0/a0/", worker, cookie[0]).body == magazine.get("/en/s0/a0/", worker).body


@pytest.mark.thorough
def test_a_changed_template_changes_what_is_made_of_it(magazine: Magazine) -> None:
    """At a deployment, by its hash: those who include it, too."""
    command = ("cms_cache", "purge", "--changed-templates")
    assert magazine.project.manage(*command, env=magazine.env).returncode == 0
    urls = magazine.warmed()
    done = magazine.project.manage(*command, env=magazine.env)
    assert "no template has changed" in done.stdout, done.stdout + done.stderr
    assert magazine.lost(urls) == set()
    path = magazine.project.folder / "magazine/templates/magazine/teaser.html"
    path.write_text(path.read_text() + " ")
    done = magazine.project.manage(*command, env=magazine.env)
    assert "done everywhere" in done.stdout, done.stdout + done.stderr
    assert magazine.lost(urls) == {"/en/s0/", "/en/s1/", "/en/s2/", "/de/s0/"} & set(urls)


@pytest.mark.thorough
def test_one_transaction_is_one_purge(magazine: Magazine) -> None:
    """However much it changes; and none where it is rolled back."""
    # By the purge log: the clock also counts what proves, each minute, that purges arrive.
    made = (
        "from cms_cache_mw.contrib.django import cache\nfrom cms_cache_mw.runtime import drive\n"
        "result = sum(purge.who == 'django' for purge in drive(cache().parts.history.purges()))"
    )
    before = magazine.run(made)
    magazine.run(
        "with transaction.atomic():\n"
        "    for page in Article.objects.filter(slug='a0', locale__language_code='en'):\n"
        "        page.intro += '.'; page.save_revision().publish()"
    )
    urls = magazine.warmed()
    assert magazine.run(made) == before + 1
    magazine.run(
        "try:\n    with transaction.atomic():\n"
        "        for page in Article.objects.all():\n            page.title = 'No'; page.save()\n        raise KeyError\n"
        "except KeyError:\n    pass"
    )
    assert magazine.lost(urls) == set()
    assert magazine.run(made) == before + 1


def test_editors_see_and_purge_the_copies_of_a_page(magazine: Magazine) -> None:
    """In the editor there is a panel, and behind it a button."""
    magazine.warmed()
    number = magazine.run("result = Page.objects.get(url_path='/front/s0/a1/').pk")
    cookie = magazine.login()
    editor = magazine.get(f"/admin/pages/{number}/edit/", 0, cookie)
    assert "Cached copies of this page: 1" in editor.body.decode()
    view = magazine.get(f"/admin/cms-cache/page/{number}/", 0, cookie)
    token = re.search(r"csrftoken=\w+", view.field("set-cookie") or "")
    assert token
    form = urlencode({"csrfmiddlewaretoken": tokens(view.body.decode())}).encode()
    headers = {"cookie": f"{cookie}; {token[0]}", "content-type": "application/x-www-form-urlencoded"}
    sent = magazine.clients[0].ask("POST", f"/admin/cms-cache/page/{number}/", form, headers)
    assert sent.status == 302
    assert magazine.lost(["/en/s0/a1/", "/en/s0/a2/", "/en/s0/"]) == {"/en/s0/a1/"}


def test_the_frontend_cache_backend_purges_urls(magazine: Magazine) -> None:
    """For projects that purge by URL already."""
    urls = magazine.warmed()
    magazine.run(
        "from cms_cache_mw.contrib.wagtail.backend import Backend\nBackend({}).purge_batch(['/en/s0/a1/', '/en/s1/'])"
    )
    assert magazine.lost(urls) == {"/en/s0/a1/", "/en/s1/"}


def test_a_command_warms_for_all_workers(magazine: Magazine) -> None:
    """What it renders is there at a visitor's first visit; what cannot be warmed fails, by its name."""
    magazine.run("from cms_cache_mw.contrib.django import purge\npurge(everything=True)")
    warm = ("cms_cache", "warm", "http://localhost/en/s2/")
    done = magazine.project.manage(*warm, env=magazine.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("200 ")
    for client in magazine.clients:
        answer = client.get("/en/s2/", {"host": "localhost"})
        assert answer.level, (done.stdout, answer.cache_status)
    done = magazine.project.manage(*warm, "http://localhost/en/form/", env=magazine.env)
    assert done.returncode == 1
    assert done.stderr.rstrip().endswith("for the reasons above: http://localhost/en/form/"), done.stderr


@pytest.mark.thorough
def test_the_audit_finds_every_reference_tagged(magazine: Magazine) -> None:
    """Wagtail's reference index is the second opinion."""
    done = magazine.project.manage("cms_cache", "audit", env=magazine.env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "every page depends on what it shows" in done.stdout


def test_the_project_has_the_documented_lines() -> None:
    """What these tests add to a stock project is what the page tells people to add."""
    page = (ROOT / "docs/wagtail.md").read_text()
    for line in DOCUMENTED.splitlines()[:3]:
        assert line in page
    assert "from cms_cache_mw.contrib.django import get_wsgi_application" in page
